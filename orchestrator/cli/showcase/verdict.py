"""Whether the demonstration ended as scripted: the results on disk against the script and the platform's own ledger."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cli.showcase.samples import Sample
from orchestrator.simulator.ica import Simulator


@dataclass(slots=True)
class Verdict:
    """What was found."""

    items: int = 0
    created: int = 0
    """Analyses that the platform created."""
    links_sent_twice: int = 0
    """Harmless, but worth counting."""
    wrong: list[str] = field(default_factory=list)
    """Everything that is not as it must be."""


def judge(folder: Path, samples: list[Sample], simulator: Simulator) -> Verdict:
    """Compare item by item."""
    verdict = Verdict()
    truth = simulator.truth
    verdict.created = len(truth.analyses())
    verdict.links_sent_twice = sum(link.sent - 1 for link in truth.links().values())
    twice = truth.duplicates()
    verdict.wrong += [f"created {count} times: {name}" for (_, name), count in twice.items()]
    for sample in samples:
        _compare(folder, sample, simulator, verdict)
    if not (folder / "queue/rejected/broken.yaml.error.json").exists():
        verdict.wrong.append("the broken file was not rejected")
    return verdict


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
    for key, state in sample.expected.items():
        item = items[key]
        if item["state"] != state:
            verdict.wrong.append(f"{sample.name}: {key} is {item['state']}, not {state}")
        told = simulator.truth.status(item["stage"], key)
        if told is not None and told != item["status"]:
            verdict.wrong.append(f"{sample.name}: {key} is told as {item['status']}, the platform says {told}")
