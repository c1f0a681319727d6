"""What a platform brings to the demonstration: its simulator, sample jobs, faults, and how results are compared."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.messages.counting import counted
from orchestrator.domain.model import ItemState
from orchestrator.simulator import Fault
from orchestrator.simulator.simulated import Simulated

AnySimulated = Simulated[Any, Any, Any]
Outcomes = Mapping[int, tuple[str, ItemState]]
"""Every n-th item does not simply succeed: the word in its name that the simulated platform reads, and its state."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One job of the demonstration: its files, and the expected state of each item."""

    name: str
    files: dict[str, str]
    expected: dict[str, ItemState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """One platform's part. Everything else of the demonstration is the same for all platforms."""

    platform: str
    """Also the name of the account in the sample files."""
    items: int
    """Items of a job, where the user names no number."""
    simulate: Callable[[Sequence[Fault]], AnySimulated]
    """A simulated platform with these faults. Its credential is `simulator`."""
    account: Mapping[str, object]
    """Keys of the account beside platform, address and secret."""
    samples: Callable[[int, int], list[Sample]]
    """So many jobs of so many items."""
    broken: str
    """A queue file with several mistakes, as YAML."""
    faults: Sequence[Fault]
    """In force with `--chaos`."""
    announce: Callable[[Sequence[Sample]], str]
    """Which items are set not to succeed, in one sentence."""
    chaos: str
    """What goes wrong with `--chaos`, beside the daemon being killed."""
    differences: Callable[[AnySimulated, Mapping[str, Any], ItemState], Iterator[str]]
    """How an item of a result differs from what the platform did and from the state that it was to end in."""
    created: Callable[[AnySimulated], Iterator[tuple[str, str]]]
    """What the platform made, as rows of a table."""


def suffix(number: int, outcomes: Outcomes) -> str:
    """The word that decides what becomes of the n-th item, behind a hyphen; nothing where it simply succeeds."""
    return next((f"-{word}" for each, (word, _) in outcomes.items() if number % each == 0), "")


def state(number: int, outcomes: Outcomes) -> ItemState:
    """The state in which the n-th item ends."""
    return next((state for each, (_, state) in outcomes.items() if number % each == 0), ItemState.SUCCEEDED)


def as_json_file(job: Mapping[str, Any], expected: dict[str, ItemState]) -> Sample:
    """A job in a queue file of its own."""
    text = json.dumps({"version": 1, "jobs": [job]}, indent=1) + "\n"
    return Sample(job["name"], {f"{job['name']}.json": text}, expected)


def with_table(
    name: str, text: str, table: str, rows: Iterable[Sequence[str]], expected: dict[str, ItemState]
) -> Sample:
    """A job in a queue file of its own, `text`, and the table that it names; the first row has the columns."""
    cells = io.StringIO()
    csv.writer(cells, lineterminator="\n").writerows(rows)
    return Sample(name, {table: cells.getvalue(), f"{name}.yaml": text}, expected)


def announce_failures(samples: Sequence[Sample]) -> str:
    """How many items are made to fail."""
    failing = sum(each is ItemState.FAILED for sample in samples for each in sample.expected.values())
    return f"to fail {counted(failing, 'item')}"
