"""Compares the results of the demonstration with the expected states and with the simulated platform's records."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.cli.showcase.demonstration import AnySimulated, Demonstration, Sample
from orchestrator.domain.model import ItemState

_Differences = Callable[[Mapping[str, Any], ItemState], Iterator[str]]


@dataclass(slots=True)
class Verdict:
    """The result of the comparison."""

    items: int = 0
    agreeing: int = 0
    """Items whose result is as expected and agrees with the platform."""
    created: list[tuple[str, str]] = field(default_factory=list)
    """What the platform made, as rows of a table."""
    requests: int = 0
    refused: int = 0
    """Requests answered with 429."""
    worst: int = 0
    """The largest number of requests in one window."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why items did not succeed: how often each reason was reported."""
    wrong: list[str] = field(default_factory=list)
    """Every deviation."""


def judge(folder: Path, samples: list[Sample], demonstration: Demonstration, simulator: AnySimulated) -> Verdict:
    """Compare the results item by item."""
    verdict = Verdict()
    verdict.created = list(demonstration.created(simulator))
    twice = simulator.truth.duplicates()
    verdict.wrong += [f"created {count} times: {name}" for (_, name), count in twice.items()]
    _count_requests(simulator, verdict)
    for sample in samples:
        _compare(folder, sample, partial(demonstration.differences, simulator), verdict)
    if not (folder / "queue/rejected/broken.yaml.error.json").exists():
        verdict.wrong.append("the broken file was not rejected")
    return verdict


def _count_requests(simulator: AnySimulated, verdict: Verdict) -> None:
    usage, knobs = simulator.budget.usage.values(), simulator.knobs
    verdict.requests = sum(user.requests for user in usage)
    verdict.refused = sum(user.refused for user in usage)
    verdict.worst = max((user.worst for user in usage), default=0)
    if verdict.worst > knobs.requests:
        verdict.wrong.append(f"{verdict.worst} requests in {knobs.per:g} s, the budget is {knobs.requests}")


def _compare(folder: Path, sample: Sample, differences: _Differences, verdict: Verdict) -> None:
    path = folder / "queue/results" / f"{sample.name}.json"
    if not path.exists():
        verdict.wrong.append(f"{path} was not written")
        return
    items = {item["key"]: item for item in json.loads(path.read_text())["items"]}
    verdict.items += len(items)
    if items.keys() != sample.expected.keys():
        verdict.wrong.append(f"{sample.name}: the result has other items than the file")
        return
    for key, state in sample.expected.items():
        item = items[key]
        wrong = list(differences(item, state))
        verdict.wrong += [f"{sample.name}: {key} is reported as {each}" for each in wrong]
        verdict.agreeing += not wrong
        if item["detail"] and item["state"] != "succeeded":
            verdict.reasons[item["detail"]] += 1
