"""Compares the results of the demonstration with the expected states and with the simulated platform's records."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.cli.showcase.samples import PROJECT, Sample
from orchestrator.domain.model import ItemState
from orchestrator.simulator.ica import Simulator
from orchestrator.simulator.ica.truth import LinkTruth

_LINKED_EARLIER = "ALREADY_LINKED"
"""What the platform reports for a link that is requested again after it was made."""


@dataclass(slots=True)
class Verdict:
    """The result of the comparison."""

    items: int = 0
    agreeing: int = 0
    """Items whose result is as expected and agrees with the platform."""
    created: int = 0
    """Analyses that the platform created."""
    links_sent_twice: int = 0
    """Links that were requested more than once, which is harmless."""
    requests: int = 0
    refused: int = 0
    """Requests answered with 429."""
    worst: int = 0
    """The largest number of requests in one window."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why items did not succeed: how often each reason was reported."""
    wrong: list[str] = field(default_factory=list)
    """Every deviation."""


def judge(folder: Path, samples: list[Sample], simulator: Simulator) -> Verdict:
    """Compare the results item by item."""
    verdict = Verdict()
    truth = simulator.truth
    verdict.created = len(truth.analyses())
    verdict.links_sent_twice = sum(link.sent - 1 for link in truth.links().values())
    twice = truth.duplicates()
    verdict.wrong += [f"created {count} times: {name}" for (_, name), count in twice.items()]
    _count_requests(simulator, verdict)
    for sample in samples:
        _compare(folder, sample, simulator, verdict)
    if not (folder / "queue/rejected/broken.yaml.error.json").exists():
        verdict.wrong.append("the broken file was not rejected")
    return verdict


def _count_requests(simulator: Simulator, verdict: Verdict) -> None:
    usage, knobs = simulator.budget.usage.values(), simulator.knobs
    verdict.requests = sum(user.requests for user in usage)
    verdict.refused = sum(user.refused for user in usage)
    verdict.worst = max((user.worst for user in usage), default=0)
    if verdict.worst > knobs.requests:
        verdict.wrong.append(f"{verdict.worst} requests in {knobs.per:g} s, the budget is {knobs.requests}")


def _compare(folder: Path, sample: Sample, simulator: Simulator, verdict: Verdict) -> None:
    path = folder / "queue/results" / f"{sample.name}.json"
    if not path.exists():
        verdict.wrong.append(f"{path} was not written")
        return
    items = {item["key"]: item for item in json.loads(path.read_text())["items"]}
    verdict.items += len(items)
    if items.keys() != sample.expected.keys():
        verdict.wrong.append(f"{sample.name}: the result has other items than the file")
        return
    analyses, links = simulator.truth.by_reference(PROJECT), simulator.truth.links()
    for key, state in sample.expected.items():
        item = items[key]
        link = links.get((PROJECT, key))
        again = item["status"] == _LINKED_EARLIER and _LINKED_EARLIER in _link_statuses(link)
        wrong = [] if item["state"] == (ItemState.SUCCEEDED if again else state) else [f"{item['state']}, not {state}"]
        wrong += _differences(item, analyses.get(key, []), link)
        verdict.wrong += [f"{sample.name}: {key} is reported as {each}" for each in wrong]
        verdict.agreeing += not wrong
        if item["detail"] and item["state"] != "succeeded":
            verdict.reasons[item["detail"]] += 1


def _differences(item: Mapping[str, Any], analyses: list[str], link: LinkTruth | None) -> list[str]:
    """The differences between a result and the platform's records."""
    status = item["status"]
    if item["stage"] == "analysis":
        return [] if analyses[-1:] == [status] else [f"{status}, the platform says {_alternatives(analyses[-1:])}"]
    if item["stage"] == "link":
        possible = _link_statuses(link)
        return [] if status in possible else [f"{status}, the platform says {_alternatives(possible)}"]
    return [f"{status}, the platform created {analyses[-1]}"] if analyses else []


def _link_statuses(link: LinkTruth | None) -> list[str]:
    """The statuses that the platform may have reported for a link; one requested twice has several."""
    if link is None or link.status is None:
        return []
    again = [_LINKED_EARLIER] if link.sent > 1 and link.status in ("LINKED", "PARTIALLY_LINKED") else []
    return [link.status, *again]


def _alternatives(statuses: list[str]) -> str:
    return " or ".join(statuses) or "no status"
