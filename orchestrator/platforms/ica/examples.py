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
_DATA: Final = {"items": [{"dataId": "fil.0a1b"}, {"dataId": "fil.0a1c"}]}
DATA_LINKING: Final[Mapping[str, Any]] = MappingProxyType(_PROJECT | _DATA)
DATA_UNLINKING: Final = DATA_LINKING
DATA_COPY: Final[Mapping[str, Any]] = MappingProxyType(
    _PROJECT
    | {
        "options": {
            "destinationFolderId": "fol.0a1d",
            "copyUserTags": True,
            "copyTechnicalTags": True,
            "copyInstrumentInfo": False,
            "actionOnExist": "SKIP",
        }
    }
    | _DATA
)
DATA_MOVE: Final[Mapping[str, Any]] = MappingProxyType(
    _PROJECT | {"options": {"destinationFolderId": "fol.0a1d"}} | _DATA
)
DATA_UPDATE: Final[Mapping[str, Any]] = MappingProxyType(
    _PROJECT
    | {
        "items": [
            {
                "dataId": "fil.0a1b",
                "userTags": {"addTags": ["run-0172"], "removeTags": ["new"]},
                "willBeArchivedAt": "2031-01-30T08:30:00Z",
            }
        ]
    }
)
SAMPLE_CREATION: Final[Mapping[str, Any]] = MappingProxyType(
    _PROJECT
    | {
        "items": [
            {
                "sampleToCreate": {"name": "S1", "tags": {"userTags": ["run-0172"]}},
                "dataToLink": [{"dataId": "fil.0a1b"}],
                "completeSample": True,
            }
        ]
    }
)
_BUNDLE: Final = {"project": "66666666-7777-8888-9999-000000000000"}
BUNDLE_LINKING: Final[Mapping[str, Any]] = MappingProxyType(_BUNDLE | _DATA)
BUNDLE_UNLINKING: Final = BUNDLE_LINKING
