# ruff: noqa: N815 - the fields have the platform's names
"""The items of the ICA kinds, as the API takes them: what is known is checked, what is not passes through.

Field names are the platform's. Absent and null are the same to it wherever it calls a field nullable.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag
from pydantic_core import PydanticCustomError

from orchestrator.domain.identity import OUR_TAGS
from orchestrator.domain.queue_file.validation_messages import TAG

UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
USER_REFERENCE = r"^[a-zA-Z0-9 _-]*(/[a-zA-Z0-9 _-]+)*$"
DATA_ID = r"^(?:fil|fol)\.[A-Za-z0-9_-]+$"
FOLDER_ID = r"^(?:urn:[ -~]+|[!-.0-~]+)$"
CODE = r"^[!-~](?:[ -~]*[!-~])?$"
LOGS_PATH = r"^/([^/]+/?)*"
PATTERNS = {
    UUID: "is no UUID, such as 11111111-2222-3333-4444-555555555555",
    USER_REFERENCE: "may have nothing but A-Z a-z 0-9, spaces, `_`, `-`, and `/` between parts: no dots, no accents",
    DATA_ID: "must be an id such as fil.0a1b or fol.0a1b: letters, digits, `_` and `-` behind `fil.` or `fol.`",
    FOLDER_ID: "must be an id such as fol.0a1b, or begin with `urn:`: plain characters (ASCII) without spaces",
    CODE: "must be a code of the pipeline: plain characters (ASCII), no space in front or behind",
    LOGS_PATH: "is no absolute path",
}
IDS = frozenset({UUID, DATA_ID, FOLDER_ID, CODE})
"""The patterns of ids and codes."""
DATA_IN_REQUEST = r'"((?:fil|fol)\.[A-Za-z0-9_-]+)"'
"""An id of data in an item as it is sent."""


def _not_ours(tag: str) -> str:
    if tag.startswith(OUR_TAGS):
        raise PydanticCustomError("reserved", "begins as the tags do by which the orchestrator finds its own analyses")
    return tag


Uuid = Annotated[str, StringConstraints(pattern=UUID)]
Code = Annotated[str, StringConstraints(min_length=1, pattern=CODE)]
DataId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=DATA_ID)]
FolderId = Annotated[str, StringConstraints(min_length=1, pattern=FOLDER_ID)]
TechnicalTag = Annotated[str, AfterValidator(_not_ours)]


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)


class Link(_Open):
    """One datum to link into the project."""

    dataId: DataId


class _Tags(_Open):
    technicalTags: list[TechnicalTag | None] | None = None
    userTags: list[str | None] | None = None
    referenceTags: list[str | None] | None = None


class _Logs(_Open):
    logsFolderId: FolderId | None = None
    logsFolderPath: Annotated[str, StringConstraints(pattern=LOGS_PATH)] | None = None


class _Output(_Open):
    sourcePath: str
    targetProjectId: str
    targetPath: str
    type: Literal["FILE", "FOLDER"] | None = None
    actionOnExist: Literal["OVERWRITE", "RENAME", "SKIP"] | None = None


class _Mount(_Open):
    dataId: DataId
    mountPath: str


class _External(_Open):
    url: str
    type: Literal["s3", "http", "basespace"]
    mountPath: str | None = None


class _DataInput(_Open):
    parameterCode: Code
    dataIds: list[DataId] | None = None
    mounts: list[_Mount] | None = None
    externalData: list[_External] | None = None


class _Parameter(_Open):
    code: Code | None = None
    value: str | None = None
    multiValue: list[str | None] | None = None


class _ReferenceData(_Open):
    parameterCode: Code | None = None
    referenceDataId: Uuid | None = None


class _StructuredInput(_Open):
    inputs: list[_DataInput]
    parameters: list[_Parameter] | None = None
    referenceDataParameters: list[_ReferenceData] | None = None


class _CwlStructuredInput(_StructuredInput):
    objectType: Literal["STRUCTURED"]


class _CwlJsonInput(_Open):
    objectType: Literal["JSON"]
    inputJson: str
    dataIds: list[DataId] | None = None
    mounts: list[_Mount] | None = None
    externalData: list[_External] | None = None


class _FormData(_Open):
    dataId: DataId
    mountPath: str | None = None


class _FormField(_Open):
    id: str
    values: list[str | None] | None = None
    dataValues: list[_FormData] | None = None
    externalDataValues: list[_External] | None = None


class _GroupValues(_Open):
    values: list[_FormField] | None = None


class _FormGroup(_Open):
    id: str
    values: list[_GroupValues] | None = None


class _FormInput(_Open):
    fields: list[_FormField] | None = None
    groups: list[_FormGroup] | None = None


class _Analysis(_Open):
    userReference: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=USER_REFERENCE)]
    pipelineId: Uuid
    tags: _Tags | None = None
    analysisStorageId: Uuid | None = None
    outputParentFolderId: FolderId | None = None
    logs: _Logs | None = None
    analysisOutput: list[_Output] | None = None


class NextflowAnalysis(_Analysis):
    """An analysis of a Nextflow pipeline with an XML input form."""

    analysisInput: _StructuredInput
    activationCodeDetailId: Uuid | None = None


def _object_type(value: object) -> str:
    json = isinstance(value, dict) and value.get("objectType") == "JSON"
    return f"{TAG}json" if json else f"{TAG}structured"


class CwlAnalysis(_Analysis):
    """An analysis of a CWL pipeline."""

    analysisInput: Annotated[
        Annotated[_CwlJsonInput, Tag(f"{TAG}json")] | Annotated[_CwlStructuredInput, Tag(f"{TAG}structured")],
        Field(discriminator=Discriminator(_object_type)),
    ]
    activationCodeDetailId: Uuid | None = None


class NextflowJsonAnalysis(_Analysis):
    """An analysis of a Nextflow pipeline with a JSON input form."""

    inputFormValues: _FormInput
