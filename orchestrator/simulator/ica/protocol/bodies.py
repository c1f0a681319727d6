"""What clients send, and what is wrong with it."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from orchestrator.simulator.ica.protocol.problems import BAD_REQUEST, Problem
from orchestrator.simulator.ica.work.entities import Tags
from orchestrator.simulator.ica.work.outcomes import Fate, Outcome, fate_of

_USER_REFERENCE = r"^[a-zA-Z0-9 _-]*(/[a-zA-Z0-9 _-]+)*$"
_DATA_ID = re.compile(r"(fil|fol)\.[A-Za-z0-9._-]+|urn:ilmn:ica:.+")
_NO_PIPELINE = uuid.UUID(int=0)

UserReference = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=_USER_REFERENCE)]
Body = TypeVar("Body")


class _Tags(msgspec.Struct, rename="camel", frozen=True):
    technical_tags: list[str] | None = None
    user_tags: list[str] | None = None
    reference_tags: list[str] | None = None


class DataId(msgspec.Struct, rename="camel", frozen=True):
    """One datum by its id."""

    data_id: str


class _DataInput(msgspec.Struct, rename="camel", frozen=True):
    parameter_code: str
    data_ids: list[str] | None = None
    mounts: list[DataId] | None = None


class _Structured(msgspec.Struct, rename="camel", frozen=True):
    inputs: list[_DataInput]

    def data(self) -> Iterator[str]:
        for one in self.inputs:
            yield from one.data_ids or ()
            yield from (mount.data_id for mount in one.mounts or ())


class _CwlStructured(_Structured, rename="camel", frozen=True, tag_field="objectType", tag="STRUCTURED"):
    pass


class _CwlJson(msgspec.Struct, rename="camel", frozen=True, tag_field="objectType", tag="JSON"):
    input_json: str
    data_ids: list[str] | None = None
    mounts: list[DataId] | None = None

    def data(self) -> Iterator[str]:
        yield from self.data_ids or ()
        yield from (mount.data_id for mount in self.mounts or ())


class _Field(msgspec.Struct, rename="camel", frozen=True):
    id: str
    values: list[str] | None = None
    data_values: list[DataId] | None = None


class _GroupValues(msgspec.Struct, frozen=True):
    values: list[_Field] | None = None


class _Group(msgspec.Struct, frozen=True):
    id: str
    values: list[_GroupValues] | None = None


class _Form(msgspec.Struct, frozen=True):
    fields: list[_Field] | None = None
    groups: list[_Group] | None = None

    def data(self) -> Iterator[str]:
        yield from (value.data_id for field_ in self._fields() for value in field_.data_values or ())

    def _fields(self) -> Iterator[_Field]:
        yield from self.fields or ()
        for group in self.groups or ():
            for values in group.values or ():
                yield from values.values or ()


class _Create(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    user_reference: UserReference
    pipeline_id: str
    tags: _Tags | None = None
    analysis_storage_id: uuid.UUID | None = None
    output_parent_folder_id: str | None = None


class _Nextflow(_Create, rename="camel", frozen=True, kw_only=True):
    analysis_input: _Structured


class _Cwl(_Create, rename="camel", frozen=True, kw_only=True):
    analysis_input: _CwlStructured | _CwlJson


class _NextflowJson(_Create, rename="camel", frozen=True, kw_only=True):
    input_form_values: _Form


class CreateBatch(msgspec.Struct, rename="camel", frozen=True):
    """Body of createAnalysisCreationBatch; rows are read one by one, so that one bad row can fail alone."""

    nextflow_items: list[msgspec.Raw] | None = None
    cwl_items: list[msgspec.Raw] | None = None
    nextflow_json_items: list[msgspec.Raw] | None = None


class ItemFilter(msgspec.Struct, frozen=True):
    """Body of getProjectDataMoveBatchItems."""

    status: list[str | None] | None = None


class Search(msgspec.Struct, rename="camel", frozen=True):
    """Body of searchAnalyses, searchWorkflowSessions and searchOrchestratedAnalyses."""

    reference: str | None = None
    user_reference: str | None = None
    status: list[str] | None = None
    user_tags: list[str] | None = None
    technical_tags: list[str] | None = None
    reference_tags: list[str] | None = None


class Echo(msgspec.Struct, rename="camel", frozen=True):
    """What is known of a row that is not valid."""

    user_reference: object = ""
    pipeline_id: object = ""
    data_id: object = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One requested item; `mistake` is set when it cannot be done."""

    name: str
    fate: Fate = field(default_factory=Fate)
    pipeline: str = ""
    language: Literal["NEXTFLOW", "CWL"] = "NEXTFLOW"
    tags: Tags = field(default_factory=Tags)
    mistake: str | None = None
    echo: dict[str, Any] | None = None
    """What the item's `request` will show; None: its `dataId`."""


def read(body: bytes, shape: type[Body]) -> Body:
    """Parse a body; raises Problem 400."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise Problem(BAD_REQUEST, f"The request body is not valid: {error}") from error


def creation_rows(body: bytes) -> list[Row]:
    """The analyses that a batch asks for: Nextflow, then CWL, then Nextflow with JSON forms."""
    batch = read(body, CreateBatch)
    return [
        *(_creation_row(raw, _Nextflow, "NEXTFLOW") for raw in batch.nextflow_items or ()),
        *(_creation_row(raw, _Cwl, "CWL") for raw in batch.cwl_items or ()),
        *(_creation_row(raw, _NextflowJson, "NEXTFLOW") for raw in batch.nextflow_json_items or ()),
    ]


def _creation_row(
    raw: msgspec.Raw, shape: type[_Nextflow | _Cwl | _NextflowJson], language: Literal["NEXTFLOW", "CWL"]
) -> Row:
    try:
        asked = msgspec.json.decode(raw, type=shape)
    except msgspec.DecodeError as error:
        echo = echo_of(raw)
        return Row(str(echo.user_reference), pipeline=str(echo.pipeline_id), mistake=str(error))
    fate = fate_of(asked.user_reference)
    tags = asked.tags or _Tags()
    return Row(
        asked.user_reference,
        fate,
        asked.pipeline_id,
        language,
        Tags(tuple(tags.technical_tags or ()), tuple(tags.user_tags or ()), tuple(tags.reference_tags or ())),
        _creation_mistake(asked, fate),
    )


def _creation_mistake(asked: _Nextflow | _Cwl | _NextflowJson, fate: Fate) -> str | None:
    if fate.outcome is Outcome.BAD:
        return f"userReference '{asked.user_reference}' is not acceptable"
    if not _is_pipeline(asked.pipeline_id):
        return f"Pipeline '{asked.pipeline_id}' was not found"
    inputs = asked.input_form_values if isinstance(asked, _NextflowJson) else asked.analysis_input
    return next((f"Data '{data_id}' was not found" for data_id in inputs.data() if not is_data(data_id)), None)


def echo_of(raw: msgspec.Raw) -> Echo:
    """What is known of a row, valid or not."""
    try:
        return msgspec.json.decode(raw, type=Echo)
    except msgspec.DecodeError:
        return Echo()


def _is_pipeline(text: str) -> bool:
    try:
        return uuid.UUID(text) != _NO_PIPELINE
    except ValueError:
        return False


def is_data(text: str) -> bool:
    """Whether it is the id of data that exists."""
    return _DATA_ID.fullmatch(text) is not None and not fate_of(text).unknown
