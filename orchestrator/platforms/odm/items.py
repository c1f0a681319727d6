"""The items of the ODM kinds, as the API takes them: what is known is checked.

What is not passes through in an import.
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.domain.queue_file.checked_texts import SHOWS, UNSEEN, VISIBLE, Visible, is_id

ALL: Final = "all"
"""In the place of a study: everything that has changes."""
MOST_MESSAGE: Final = 200
"""Characters of a message: our mark stands behind it."""

ACCESSION = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
PATTERNS = {
    ACCESSION: "is no accession, such as GSF123456",
    VISIBLE: UNSEEN,
}

IDS = frozenset({ACCESSION})
"""The patterns of ids."""

_Accession = Annotated[str, StringConstraints(pattern=ACCESSION), is_id(ACCESSION)]


def _all_is_small(study: str) -> str:
    if study.lower() == ALL != study:
        raise PydanticCustomError("all", "is no accession: to publish everything, write it as `all`")
    return study


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)


class _Whole(BaseModel):
    """No other field of such an item is sent, so a key that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class Publication(_Whole):
    """A study to publish, or everything."""

    study: Annotated[_Accession, AfterValidator(_all_is_small)]
    versionMessage: Annotated[str, StringConstraints(max_length=MOST_MESSAGE, pattern=VISIBLE), SHOWS] | None = None  # noqa: N815 - ODM's


class FollowedTask(_Whole):
    """A task that was started elsewhere."""

    id: _Accession


METADATA_TYPES: Final = frozenset({"study", "samples", "libraries", "preparations"})
"""Imports of nothing but metadata; all others need data."""


class Import(_Open):
    """A file to import, with the body of the call for its type. Of `cells` and `file` only the link is checked."""

    type: Literal[
        "study",
        "samples",
        "libraries",
        "preparations",
        "expression",
        "variant",
        "flow-cytometry",
        "cells",
        "file",
    ]
    dataLink: Visible | None = None  # noqa: N815 - ODM's
    metadataLink: Visible | None = None  # noqa: N815 - ODM's
    templateId: _Accession | None = None  # noqa: N815 - ODM's
    previousVersion: _Accession | None = None  # noqa: N815 - ODM's
    numberOfFeatureAttributes: int | None = None  # noqa: N815 - ODM's
    dataClass: str | None = None  # noqa: N815 - ODM's
    measurementSeparator: str | None = None  # noqa: N815 - ODM's

    @model_validator(mode="after")
    def _has_its_link(self) -> "Import":
        metadata = self.type in METADATA_TYPES
        if metadata and self.dataLink is not None:
            raise PydanticCustomError("data", "has a `dataLink`, and this type is metadata alone: leave it out")
        if (self.metadataLink if metadata else self.dataLink) is None:
            needed = "metadataLink" if metadata else "dataLink"
            raise PydanticCustomError("no_link", "needs a `{needed}` for this type", {"needed": needed})
        return self

    @model_validator(mode="after")
    def _is_loaded_once(self) -> "Import":
        if {"allow_dups", "allowDups"} & (self.model_extra or {}).keys():
            raise PydanticCustomError("dups", "has `allow_dups`, by which ODM would load data twice: leave it out")
        return self
