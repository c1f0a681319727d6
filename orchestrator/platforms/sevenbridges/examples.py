"""One example of each kind of work on Seven Bridges, as it could stand in a queue file."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_PROJECT: Final = "kfdrc/cohort-7"
_FILE: Final = "568cf5dce4b0307bc0462060"


def _items(*items: Mapping[str, Any], **more: object) -> Mapping[str, Any]:
    return MappingProxyType({"project": _PROJECT, **more, "items": list(items)})


TASK: Final = _items(
    {
        "name": "align S1",
        "app": f"{_PROJECT}/alignment/3",
        "description": "Sample S1 of cohort 7",
        "inputs": {
            "input_bam": {"class": "File", "path": _FILE},
            "reference": {"class": "File", "path": "5f50018fe4b054958bc8d2e3"},
            "threads": 8,
        },
    }
)
IMPORT: Final = _items(
    {
        "source": {"volume": "kfdrc/sequencer", "location": "run-0172/S1.bam"},
        "destination": {"name": "S1.bam"},
        "autorename": False,
    }
)
EXPORT: Final = _items(
    {"source": {"file": _FILE}, "destination": {"volume": "kfdrc/archive", "location": "cohort-7/S1.bam"}},
    options={"copy_only": True},
)
FILE_COPY: Final = _items({"file": _FILE, "project": "kfdrc/cohort-8", "name": "S1.bam"})
FILE_MOVE: Final = _items({"file": _FILE, "parent": "5f50018fe4b054958bc8d2e4"})
FILE_DELETE: Final = _items({"file": _FILE})
FILE_UPDATE: Final = _items({"file": _FILE, "metadata": {"sample_id": "S1"}, "tags": ["cohort-7"]})
DRS_IMPORT: Final = _items(
    {"drs_uri": "drs://data.example.org/0a1b2c3d", "name": "S1.cram", "metadata": {"sample_id": "S1"}},
    options={"conflict_resolution": "RENAME"},
)
AUTOMATION_RUN: Final[Mapping[str, Any]] = MappingProxyType(
    {"items": [{"name": "qc of run 0172", "package": "kfdrc/qc/2", "inputs": {"run": "0172"}, "memory_limit": 2000}]}
)
