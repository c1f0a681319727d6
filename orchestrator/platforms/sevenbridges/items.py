"""The items of the Seven Bridges kinds, as the API takes them: what is known is checked, what is not passes through."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.domain.queue_file.checked_texts import SHOWS, UNSEEN, VISIBLE, Visible, is_id

PROJECT = r"^[!-.0-~]+/[!-.0-~]+$"
APP = r"^[!-.0-~]+/[!-.0-~]+/[!-.0-~]+(/[0-9]+)?$"
FILE_ID = r"^[!-.0-~]+$"
DRS = r"^drs://\S+$"
PATTERNS = {
    PROJECT: "is no project: it is written OWNER/PROJECT, as in the address of its page",
    APP: "is no app: it is written OWNER/PROJECT/APP, with /REVISION where one is meant",
    FILE_ID: "is no id of a file, such as 568cf5dce4b0307bc0462060",
    VISIBLE: UNSEEN,
    DRS: "is no DRS URI: it begins with drs://",
}

IDS = frozenset({FILE_ID})
"""The patterns of ids."""

Project = Annotated[str, StringConstraints(pattern=PROJECT)]
FileId = Annotated[str, StringConstraints(pattern=FILE_ID), is_id(FILE_ID)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=VISIBLE), SHOWS]


def _of_the_job(value: object) -> object:
    if value is not None:
        raise PydanticCustomError("of_the_job", "is said by the job's `project`: leave it out here")
    return value


def _of_the_file(value: object) -> object:
    if value is not None:
        raise PydanticCustomError("of_the_file", "is said by `file`: leave it out here")
    return value


def _is_no_place_for_secrets(value: object) -> object:
    if value:
        raise PydanticCustomError(
            "secret",
            "would lie in files, in the database and in backups: use the automation's own secret settings",
        )
    return value


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)


class _Place(_Open):
    project: Project | None = None
    parent: FileId | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "_Place":
        if self.project is not None and self.parent is not None:
            raise PydanticCustomError("two_places", "has both `project` and `parent`: name one")
        return self


# ---------------------------------------------------------------- tasks


class _ByItem(_Open):
    type: Literal["item", "criteria"]
    criteria: list[Visible] | None = None

    @model_validator(mode="after")
    def _has_criteria(self) -> "_ByItem":
        if self.type == "criteria" and not self.criteria:
            raise PydanticCustomError("no_criteria", "has the type criteria and no `criteria`")
        return self


class Task(_Open):
    """A task, or a batch task where `batch_by` is set."""

    name: _Name
    app: Annotated[str, StringConstraints(pattern=APP)]
    project: Annotated[Any, AfterValidator(_of_the_job)] = None
    description: str | None = None
    inputs: dict[str, Any] | None = None
    batch_input: Visible | None = None
    batch_by: _ByItem | None = None
    use_interruptible_instances: bool | None = None
    execution_settings: dict[str, Any] | None = None
    output_location: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _whole_batch(self) -> "Task":
        if (self.batch_by is None) != (self.batch_input is None):
            raise PydanticCustomError("half_a_batch", "needs both `batch_by` and `batch_input`, or neither")
        return self


# ---------------------------------------------------------------- transfers


class _OnVolume(_Open):
    volume: Visible
    location: Visible


class _Destination(_Place):
    name: _Name | None = None


class Import(_Open):
    """A file of a volume that becomes a file of a project."""

    source: _OnVolume
    destination: _Destination | None = None
    overwrite: bool | None = None
    autorename: bool | None = None
    preserve_folder_structure: bool | None = None


class _ExportedFile(_Open):
    file: FileId


class Export(_Open):
    """A file of a project that becomes an object of a volume."""

    source: _ExportedFile
    destination: _OnVolume
    overwrite: bool | None = None
    properties: dict[str, Any] | None = None


class ExportOptions(BaseModel):
    """What a job says of all its exports."""

    model_config = ConfigDict(extra="forbid", strict=True)

    copy_only: bool = False
    """Leave the files on the platform as they are; else each becomes an alias of its object on the volume."""


# ---------------------------------------------------------------- files


class Copy(_Place):
    """A file to copy, into a project or a folder."""

    file: FileId
    name: _Name | None = None


class Move(Copy):
    """A file to move, into a project or a folder."""


class Delete(_Open):
    """A file to delete."""

    file: FileId


class Update(_Open):
    """What changes of a file; what is left out stays as it is."""

    file: FileId
    name: _Name | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None
    id: Annotated[Any, AfterValidator(_of_the_file)] = None

    @model_validator(mode="after")
    def _changes_something(self) -> "Update":
        given = self.model_dump(exclude={"file"}, exclude_none=True)
        if not any(value or name == "tags" for name, value in given.items()):  # no tags: all are removed
            raise PydanticCustomError("no_change", "changes nothing: write a `name`, `metadata` or `tags`")
        return self


class DrsImport(_Place):
    """A file that a DRS server names, to be imported into a project or a folder."""

    drs_uri: Annotated[str, StringConstraints(pattern=DRS), SHOWS]
    name: _Name | None = None
    metadata: dict[str, Any] | None = None


class DrsOptions(BaseModel):
    """What a job says of all its DRS imports."""

    model_config = ConfigDict(extra="forbid", strict=True)

    conflict_resolution: Literal["SKIP", "OVERWRITE", "RENAME"] = "SKIP"
    tags: Annotated[list[Visible], Field(max_length=100)] = []


# ---------------------------------------------------------------- automations


class AutomationRun(_Open):
    """A run of an automation."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=VISIBLE), SHOWS]
    package: Visible
    inputs: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None
    memory_limit: int | None = None
    secret_settings: Annotated[Any, AfterValidator(_is_no_place_for_secrets)] = None
