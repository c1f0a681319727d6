"""The sample work of the demonstration: queue files as a lab would drop them, and what must come of each item."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.model import ItemState

PROJECT = "7c9a1f3e-52b8-4d0e-9b66-0a5d3c2e8f41"
_PIPELINE = "2f64c1a7-8d0b-4f53-a7be-91c4d6e0b213"

# Every so many items, one that does not simply succeed; the simulated platform goes by the word in its name.
_ODD_ONES = {
    7: ("fail", ItemState.FAILED),
    11: ("nocreate", ItemState.FAILED),
    17: ("odd", ItemState.SUCCEEDED),
    23: ("await", ItemState.SUCCEEDED),
}
_ODD_LINKS = {
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
    """One job of the demonstration: its files, and the state in which each of its items must end."""

    name: str
    files: dict[str, str]
    expected: dict[str, ItemState]


def samples(jobs: int, items: int) -> list[Sample]:
    """`jobs` jobs of `items` items: by turns links, and analyses that wait for the links before them."""
    return [_links(n, items) if n % 2 else _analyses(n, items) for n in range(1, jobs + 1)]


def broken() -> dict[str, str]:
    """A file with several mistakes."""
    return {"broken.yaml": _BROKEN}


def drop(files: dict[str, str], incoming: Path) -> None:
    """As any program should: write under a name that begins with a dot, then rename; the queue file last."""
    for name, text in sorted(files.items(), key=lambda file: file[0].endswith((".yaml", ".json"))):
        draft = incoming / f".{name}.tmp"
        draft.write_text(text)
        draft.rename(incoming / name)


def _links(number: int, items: int) -> Sample:
    name = f"link-run-{number:04}"
    expected = {f"fil.{number:04x}{n:06x}{_word(n, _ODD_LINKS)}": _state(n, _ODD_LINKS) for n in range(1, items + 1)}
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
    expected = {f"run-{number:04}/s{n}{_word(n, _ODD_ONES)}": _state(n, _ODD_ONES) for n in range(1, items + 1)}
    return Sample(name, {table: rows.getvalue(), f"{name}.yaml": text}, expected)


def _rows(number: int, items: int) -> Iterator[tuple[str, str, str]]:
    for n in range(1, items + 1):
        yield f"s{n}{_word(n, _ODD_ONES)}", f"fil.{number:04x}{n:06x}a1", f"fil.{number:04x}{n:06x}a2"


def _word(n: int, odd: dict[int, tuple[str, ItemState]]) -> str:
    return next((f"-{word}" for each, (word, _) in odd.items() if n % each == 0), "")


def _state(n: int, odd: dict[int, tuple[str, ItemState]]) -> ItemState:
    return next((state for each, (_, state) in odd.items() if n % each == 0), ItemState.SUCCEEDED)
