# ruff: noqa: N815 - the fields have the platform's names
"""The items of `ica.workflow_session`: one session by its id, or a selector."""

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from orchestrator.domain.queue_file.validation_messages import TAG
from orchestrator.platforms.ica.sessions.time_window import NOW, parse_moment

SESSION_ID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
SELECTOR_NAME = r"^\S(.*\S)?$"
PATTERNS = {
    SESSION_ID: "is no UUID in lower case, such as 11111111-2222-3333-4444-555555555555",
    SELECTOR_NAME: "must be a name of yours, without spaces around it",
}


def _is_moment(text: str) -> str:
    try:
        parse_moment(text)
    except ValueError as error:
        raise PydanticCustomError("moment", "{reason}", {"reason": str(error)}) from None
    return text


def _no_id(name: str) -> str:
    if re.fullmatch(SESSION_ID, name.lower()):
        raise PydanticCustomError("id", "is an id, and not a name of yours: to follow that session write `id:`")
    return name


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Moment = Annotated[str, AfterValidator(_is_moment)]
_Tags = Annotated[list[Annotated[str, StringConstraints(min_length=1)]], Field(min_length=1)]
_Status = Literal[
    "REQUESTED",
    "QUEUED",
    "INITIALIZING",
    "PREPARING_INPUTS",
    "IN_PROGRESS",
    "GENERATING_OUTPUTS",
    "AWAITING_INPUT",
    "ABORTING",
    "SUCCEEDED",
    "FAILED",
    "FAILED_FINAL",
    "ABORTED",
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class NamedSession(_Asked):
    """One session."""

    id: Annotated[str, StringConstraints(pattern=SESSION_ID)]


class SessionSelector(_Asked):
    """What selects sessions, each created between `since` and `until`."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=SELECTOR_NAME), AfterValidator(_no_id)]
    userReference: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    technicalTags: _Tags | None = None
    userTags: _Tags | None = None
    status: Annotated[Annotated[list[_Status], Field(min_length=1)], BeforeValidator(_as_list)] | None = None
    since: _Moment | None = None
    until: Annotated[_Moment | None, Field(validate_default=True)] = None

    @field_validator("until")
    @classmethod
    def _is_after_since(cls, text: str | None, info: ValidationInfo) -> str | None:
        since = parse_moment(info.data["since"]) if info.data.get("since") else None
        until = parse_moment(text) if text else NOW
        if since is not None and since.relative == until.relative and since.micros >= until.micros:
            raise PydanticCustomError("empty", "is not after `since`; without `until`: when the job is accepted")
        return text


def _shape(value: object) -> str:
    return f"{TAG}id" if isinstance(value, dict) and "id" in value else f"{TAG}selector"


class FollowedSession(
    RootModel[
        Annotated[
            Annotated[NamedSession, Tag(f"{TAG}id")] | Annotated[SessionSelector, Tag(f"{TAG}selector")],
            Field(discriminator=Discriminator(_shape)),
        ]
    ]
):
    """An item. Nothing of it is sent, so a key that is not known is a mistake."""

    model_config = ConfigDict(defer_build=True)
