"""One example of each kind of work on ICA, as it could stand in a queue file."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_PROJECT: Final = {"project": "11111111-2222-3333-4444-555555555555"}

ANALYSIS_CREATION: Final[Mapping[str, Any]] = MappingProxyType(
    _PROJECT
    | {
        "engine": "nextflow",
        "items": [
            {
                "userReference": "run-0172/S1",
                "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
                "analysisInput": {
                    "inputs": [{"parameterCode": "fastqs", "dataIds": ["fil.0a1b", "fil.0a1c"]}],
                    "parameters": [{"code": "output_prefix", "value": "S1"}],
                },
                "tags": {"userTags": ["run-0172"]},
            }
        ],
    }
)
DATA: Final[Mapping[str, Any]] = MappingProxyType(
    _PROJECT | {"items": [{"dataId": "fil.0a1b"}, {"dataId": "fil.0a1c"}]}
)
_FOLDER: Final = {"destinationFolderId": "fol.0f01"}
DATA_COPY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        **DATA,
        "options": {
            **_FOLDER,
            "copyUserTags": True,
            "copyTechnicalTags": True,
            "copyInstrumentInfo": True,
            "actionOnExist": "SKIP",
        },
    }
)
DATA_MOVE: Final[Mapping[str, Any]] = MappingProxyType({**DATA, "options": _FOLDER})
DATA_UPDATE: Final[Mapping[str, Any]] = MappingProxyType(
    _PROJECT
    | {
        "items": [
            {"dataId": "fil.0a1b", "userTags": {"addTags": ["run-0172"]}, "willBeArchivedAt": "2031-01-30T08:30:00Z"}
        ]
    }
)
SAMPLE_CREATION: Final[Mapping[str, Any]] = MappingProxyType(
    _PROJECT
    | {
        "items": [
            {
                "sampleToCreate": {"name": "S1", "description": "blood", "tags": {"userTags": ["run-0172"]}},
                "dataToLink": [{"dataId": "fil.0a1b"}],
                "completeSample": True,
            }
        ]
    }
)
WORKFLOW_SESSION: Final[Mapping[str, Any]] = MappingProxyType(
    {**_PROJECT, "items": [{"name": "night-0172", "userTags": ["run-0172"], "since": "-24h", "until": "+8h"}]}
)
