# ruff: noqa: N815 - the fields have the platform's names
"""The items and options of the kinds that work on data and samples; see `items`."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.domain.queue_file.checked_texts import SHOWS, UNSEEN, VISIBLE
from orchestrator.platforms.ica.items import PATTERNS, DataId, FolderId, TechnicalTag

TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
DATA_PATTERNS = PATTERNS | {
    TIME: "is no time in UTC, such as 2031-01-30T08:30:00Z",
    VISIBLE: UNSEEN,
}


def _there_is(time: str) -> str:
    try:
        datetime.fromisoformat(time)
    except ValueError:
        raise PydanticCustomError("no_time", "is a time that no calendar has: `{time}`", {"time": time}) from None
    return time


Time = Annotated[str, StringConstraints(pattern=TIME), AfterValidator(_there_is)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=VISIBLE)]


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class Datum(_Open):
    """One datum to unlink, copy or move, or to link to a bundle."""

    dataId: DataId


class CopyOptions(_Options):
    """Where copies go, and what they take with them."""

    destinationFolderId: FolderId | None = None
    copyUserTags: bool
    copyTechnicalTags: bool
    copyInstrumentInfo: bool
    actionOnExist: Literal["OVERWRITE", "SKIP", "RENAME"]
    """About files; a folder is always copied."""


class MoveOptions(_Options):
    """Where data is moved to."""

    destinationFolderId: FolderId | None = None


class _TagUpdate(_Open):
    addTags: list[str] | None = None
    removeTags: list[str] | None = None


def _of_the_datum(value: object) -> object:
    if value is not None:
        raise PydanticCustomError("of_the_datum", "is made of the `dataId` of each item: leave it out here")
    return value


class Update(_Open):
    """The change of one datum; of a folder with all that is in it."""

    dataId: DataId
    userTags: _TagUpdate | None = None
    technicalTags: _TagUpdate | None = None
    willBeArchivedAt: Time | None = None
    willBeDeletedAt: Time | None = None
    clearWillBeArchivedAt: bool | None = None
    clearWillBeDeletedAt: bool | None = None
    dataIds: Annotated[Any, AfterValidator(_of_the_datum)] = None

    @model_validator(mode="after")
    def _changes_something(self) -> "Update":
        given: dict[str, Any] = self.model_dump(exclude={"dataId"}, exclude_none=True)
        if not any(any(value.values()) if isinstance(value, dict) else value for value in given.values()):
            raise PydanticCustomError("no_change", "changes nothing: name tags, a time, or a time to clear")
        for name in ("ArchivedAt", "DeletedAt"):
            if given.get(f"clearWillBe{name}") and given.get(f"willBe{name}"):
                raise PydanticCustomError("both", f"has both `willBe{name}` and `clearWillBe{name}`: name one")
        return self


class _SampleTags(_Open):
    technicalTags: list[TechnicalTag | None] | None = None
    userTags: list[str | None] | None = None
    connectorTags: list[str | None] | None = None
    runInTags: list[str | None] | None = None


class _SampleToCreate(_Open):
    name: Annotated[_Text, SHOWS]
    description: _Text | None = None
    tags: _SampleTags | None = None


class Sample(_Open):
    """One sample, with the data to link to it."""

    sampleToCreate: _SampleToCreate
    dataToLink: list[Datum] | None = None
    completeSample: bool = False
    """Left out: the sample is not completed."""
