"""Compares what the daemon says, item by item, with what the platform really did."""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chance import PROJECT, Work
from ground import API_KEY, Ground

from orchestrator.simulator.ica.protocol.tokens import user_of

STATES = {
    "LINKED": "succeeded",
    "ALREADY_LINKED": "succeeded",
    "PARTIALLY_LINKED": "partial",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "FAILED_FINAL": "failed",
    "ABORTED": "aborted",
}
LINKED = {"LINKED", "ALREADY_LINKED"}
MAY_BE_THERE = "it may be on the platform"
"""What the daemon says of an item that was cancelled while nobody could tell: the one thing that it leaves open."""

Item = Mapping[str, Any]


@dataclass
class Verdict:
    """What was found wrong, one line each, and what was counted."""

    lost: list[str] = field(default_factory=list)
    """Items, jobs or files that are nowhere."""
    twice: list[str] = field(default_factory=list)
    """Analyses created more than once, or that no item knows of."""
    differ: list[str] = field(default_factory=list)
    """Results that are not what the platform did."""
    over_budget: list[str] = field(default_factory=list)
    items: int = 0
    analyses: int = 0
    links_sent_twice: int = 0

    @property
    def wrong(self) -> list[str]:
        return [
            *(f"lost: {each}" for each in self.lost),
            *(f"twice: {each}" for each in self.twice),
            *(f"differs: {each}" for each in self.differ),
            *(f"over budget: {each}" for each in self.over_budget),
        ]


def judge(ground: Ground, documents: Mapping[str, dict[str, Any]]) -> Verdict:
    """The platform's ledger and the files on disk are the witnesses."""
    verdict = Verdict()
    for work in ground.plan.work:
        document = documents.get(work.name)
        if document is None:
            verdict.lost.append(f"job {work.name}")
            continue
        verdict.items += len(work.keys)
        _whole(verdict, work, document)
        _on_disk(verdict, ground, work, document)
        (_links if work.links else _analyses)(verdict, ground, work, document)
    _nothing_twice(verdict, ground, documents)
    _files(verdict, ground)
    _budget(verdict, ground)
    return verdict


# ---------------------------------------------------------------- the result as such


def _whole(verdict: Verdict, work: Work, document: Mapping[str, Any]) -> None:
    told = Counter(item["key"] for item in document["items"])
    verdict.lost += [f"item {key} of {work.name}" for key in work.keys if key not in told]
    verdict.differ += [f"{work.name} has {key}, which nobody asked for" for key in told.keys() - set(work.keys)]
    if document["job"]["settled_at"] is None:
        verdict.lost.append(f"{work.name} never settled: {document['job']['state']}, {document['job']['detail']}")


def _on_disk(verdict: Verdict, ground: Ground, work: Work, document: Mapping[str, Any]) -> None:
    if document["job"]["settled_at"] is None:
        return
    results = ground.queue / "results"
    try:
        written = json.loads((results / f"{work.name}.json").read_text())
        rows = list(csv.DictReader((results / f"{work.name}.csv").read_text().splitlines()))
    except (OSError, ValueError) as error:
        verdict.lost.append(f"result of {work.name}: {error}")
        return
    if written != document:
        verdict.differ.append(f"{work.name}.json is not what the database says")
    if [(row["key"], row["state"]) for row in rows] != [(i["key"], i["state"]) for i in document["items"]]:
        verdict.differ.append(f"{work.name}.csv is not what the database says")


# ---------------------------------------------------------------- analyses


def _analyses(verdict: Verdict, ground: Ground, work: Work, document: Mapping[str, Any]) -> None:
    statuses = ground.simulator.truth.analyses()
    created = _created(ground)
    retries = sum(
        name.startswith("retry-") and name.endswith(f"-{work.name}.json") for name in ground.names("accepted")
    )
    for item in document["items"]:
        ids = _ids(item)
        there = created[item["key"]]
        verdict.analyses += len(there)
        if there - ids and MAY_BE_THERE not in (item["detail"] or ""):
            verdict.twice.append(f"{work.name} {item['key']} is {sorted(there)}, known are {sorted(ids)}")
        if ids - there:
            verdict.differ.append(f"{work.name} {item['key']} tells of {sorted(ids - there)}, never created")
        if len(ids) > work.attempts * (1 + retries):  # whoever asks for what is blocked also asks for what failed
            verdict.twice.append(f"{work.name} {item['key']} was tried {len(ids)} times")
        for problem in _told_rightly(item, statuses.get(item["remote_id"] or "")):
            verdict.differ.append(f"{work.name} {item['key']}: {problem}")


def _ids(item: Item) -> set[str]:
    return {each for each in (*item["previous_ids"], item["remote_id"]) if each}


def _created(ground: Ground) -> defaultdict[str, set[str]]:
    created: defaultdict[str, set[str]] = defaultdict(set)
    for effect in ground.simulator.ledger.effects("analysis"):
        created[effect.name].add(effect.id)
    return created


def _told_rightly(item: Item, truth: str | None) -> Iterator[str]:
    """Against the status of the analysis that the item says it is; None: it says it is none."""
    if truth is not None:
        if (item["status"], item["state"]) != (truth, STATES.get(truth)):
            yield f"says {item['state']} {item['status']}, is {truth}"
    elif item["state"] == "cancelled":
        if item["status"] is not None:
            yield f"was cancelled, but has the status {item['status']}"
    elif item["state"] not in {"failed", "aborted"} or not item["detail"]:
        yield f"has no analysis and is {item['state']}: {item['detail']}"


# ---------------------------------------------------------------- links


def _links(verdict: Verdict, ground: Ground, work: Work, document: Mapping[str, Any]) -> None:
    links = ground.simulator.truth.links()
    for item in document["items"]:
        link = links.get((PROJECT, item["key"]))
        truth = link.status if link else None
        said = item["status"]
        alike = truth == said or {truth, said} <= LINKED
        if truth is not None and not (alike and item["state"] == STATES.get(truth)):
            verdict.differ.append(f"{work.name} {item['key']}: says {item['state']} {said}, is {truth}")
        if truth is None and (item["state"] != "failed" or not item["detail"]):
            verdict.differ.append(f"{work.name} {item['key']}: was never linked and is {item['state']}")
        verdict.links_sent_twice += max(0, link.sent - 1) if link else 0


# ---------------------------------------------------------------- everything together


def _nothing_twice(verdict: Verdict, ground: Ground, documents: Mapping[str, Any]) -> None:
    """By the tags that each analysis was created with, and against what the results account for."""
    for (_, tags), count in ground.simulator.truth.duplicate_tags().items():
        verdict.twice.append(f"{count} analyses with the tags {', '.join(tags)}")
    known = {each for document in documents.values() for item in document["items"] for each in _ids(item)}
    open_ended = {
        item["key"]
        for document in documents.values()
        for item in document["items"]
        if MAY_BE_THERE in (item["detail"] or "")
    }
    for effect in ground.simulator.ledger.effects("analysis"):
        if effect.id not in known and effect.name not in open_ended:
            verdict.twice.append(f"nobody knows of analysis {effect.id} ({effect.name})")


def _files(verdict: Verdict, ground: Ground) -> None:
    if left := ground.names("incoming"):
        verdict.lost.append(f"still in incoming/: {sorted(left)}")
    dropped = {f"{work.name}.json" for work in ground.plan.work}
    dropped |= {work.document["table"] for work in ground.plan.work if work.table is not None}
    verdict.lost += [f"file {name} is not in accepted/" for name in sorted(dropped - ground.names("accepted"))]
    refused = {each for name in ground.plan.broken for each in (name, f"{name}.error.json")}
    if refused != ground.names("rejected"):
        verdict.lost.append(f"rejected/ holds {sorted(ground.names('rejected'))}, not {sorted(refused)}")


def _budget(verdict: Verdict, ground: Ground) -> None:
    limit = ground.plan.knobs.requests
    usage = ground.simulator.budget.usage.get(user_of(API_KEY))
    if usage is not None and usage.worst > limit:
        verdict.over_budget.append(f"{usage.worst} requests in one window of {ground.plan.knobs.per:g} s, not {limit}")
