"""The sample jobs of the demonstration, and the state in which each item must end."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.model import ItemState

PROJECT = "7c9a1f3e-52b8-4d0e-9b66-0a5d3c2e8f41"
_PIPELINE = "2f64c1a7-8d0b-4f53-a7be-91c4d6e0b213"

# Every n-th item does not simply succeed; the simulated platform reads the outcome from its name.
_ANALYSIS_OUTCOMES = {
    7: ("fail", ItemState.FAILED),
    11: ("nocreate", ItemState.FAILED),
    17: ("odd", ItemState.SUCCEEDED),
    23: ("await", ItemState.SUCCEEDED),
}
_LINK_OUTCOMES = {
    13: ("partial", ItemState.PARTIAL),
    19: ("already", ItemState.SUCCEEDED),
    29: ("fail", ItemState.FAILED),
}

_BROKEN = """version: 1
jobs:
  - name: broken-0001
    kind: ica.data_linking
    account: ica
    projekt: 7c9a1f3e-52b8-4d0e-9b66-0a5d3c2e8f41
    items:
      - {dataId: fil.0001}
      - {dataId: fil.0001}
      - {dataID: fil.0002}
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One job of the demonstration: its files, and the expected state of each item."""

    name: str
    files: dict[str, str]
    expected: dict[str, ItemState]


def samples(jobs: int, items: int) -> list[Sample]:
    """`jobs` jobs of `items` items: alternately links, and analyses that depend on them."""
    return [_links(n, items) if n % 2 else _analyses(n, items) for n in range(1, jobs + 1)]


def broken() -> dict[str, str]:
    """A file with several mistakes."""
    return {"broken.yaml": _BROKEN}


def drop(files: dict[str, str], incoming: Path) -> None:
    """Write each file under a name that begins with a dot, then rename it; the queue file last."""
    for name, text in sorted(files.items(), key=lambda file: file[0].endswith((".yaml", ".json"))):
        draft = incoming / f".{name}.tmp"
        draft.write_text(text)
        draft.rename(incoming / name)


def _links(number: int, items: int) -> Sample:
    name = f"link-run-{number:04}"
    expected = {
        f"fil.{number:04x}{n:06x}{_suffix(n, _LINK_OUTCOMES)}": _state(n, _LINK_OUTCOMES) for n in range(1, items + 1)
    }
    job = {
        "name": name,
        "kind": "ica.data_linking",
        "account": "ica",
        "project": PROJECT,
        "count": items,
        "items": [{"dataId": data_id} for data_id in expected],
    }
    return Sample(name, {f"{name}.json": json.dumps({"version": 1, "jobs": [job]}, indent=1) + "\n"}, expected)


def _analyses(number: int, items: int) -> Sample:
    name, table = f"germline-run-{number:04}", f"samples-{number:04}.csv"
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["sample", "r1", "r2"])
    writer.writerows(_rows(number, items))
    text = f"""version: 1
jobs:
  - name: {name}
    kind: ica.analysis_creation
    account: ica
    project: {PROJECT}
    after: {{jobs: [link-run-{number - 1:04}], accept: [succeeded, partial]}}
    engine: nextflow
    count: {items}
    template:
      userReference: run-{number:04}/${{sample}}
      pipelineId: {_PIPELINE}
      analysisInput: {{inputs: [{{parameterCode: fastqs, dataIds: ["${{r1}}", "${{r2}}"]}}]}}
    table: {table}
"""
    expected = {
        f"run-{number:04}/s{n}{_suffix(n, _ANALYSIS_OUTCOMES)}": _state(n, _ANALYSIS_OUTCOMES)
        for n in range(1, items + 1)
    }
    return Sample(name, {table: rows.getvalue(), f"{name}.yaml": text}, expected)


def _rows(number: int, items: int) -> Iterator[tuple[str, str, str]]:
    for n in range(1, items + 1):
        yield f"s{n}{_suffix(n, _ANALYSIS_OUTCOMES)}", f"fil.{number:04x}{n:06x}a1", f"fil.{number:04x}{n:06x}a2"


def _suffix(n: int, outcomes: dict[int, tuple[str, ItemState]]) -> str:
    return next((f"-{word}" for each, (word, _) in outcomes.items() if n % each == 0), "")


def _state(n: int, outcomes: dict[int, tuple[str, ItemState]]) -> ItemState:
    return next((state for each, (_, state) in outcomes.items() if n % each == 0), ItemState.SUCCEEDED)
