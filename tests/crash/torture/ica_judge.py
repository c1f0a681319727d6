"""Compares results of analyses and links with what the simulated ICA did."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chance import Work
from ground import Ground
from ica_chance import PROJECT
from verdict import MAY_BE_THERE, Item, Verdict, ids_of

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


def judge(verdict: Verdict, ground: Ground, documents: Mapping[str, dict[str, Any]]) -> None:
    """By what was created and linked."""
    for work in ground.plan.work:
        if (document := documents.get(work.name)) is not None:
            (_links if work.kind == "ica.data_linking" else _analyses)(verdict, ground, work, document)
    _nothing_twice(verdict, ground, documents)


# ---------------------------------------------------------------- analyses


def _analyses(verdict: Verdict, ground: Ground, work: Work, document: Mapping[str, Any]) -> None:
    statuses = ground.simulator.truth.analyses()
    created = _created(ground)
    retries = sum(
        name.startswith("retry-") and name.endswith(f"-{work.name}.json") for name in ground.names("accepted")
    )
    for item in document["items"]:
        ids = ids_of(item)
        there = created[item["key"]]
        verdict.created += len(there)
        if there - ids and MAY_BE_THERE not in (item["detail"] or ""):
            verdict.twice.append(f"{work.name} {item['key']} is {sorted(there)}, known are {sorted(ids)}")
        if ids - there:
            verdict.differ.append(f"{work.name} {item['key']} tells of {sorted(ids - there)}, never created")
        if len(ids) > work.attempts * (1 + retries):  # whoever asks for what is blocked also asks for what failed
            verdict.twice.append(f"{work.name} {item['key']} was tried {len(ids)} times")
        for problem in _told_rightly(item, statuses.get(item["remote_id"] or "")):
            verdict.differ.append(f"{work.name} {item['key']}: {problem}")


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
        verdict.repeated += max(0, link.sent - 1) if link else 0


# ---------------------------------------------------------------- everything together


def _nothing_twice(verdict: Verdict, ground: Ground, documents: Mapping[str, Any]) -> None:
    """By the tags that each analysis was created with, and against what the results account for."""
    for (_, tags), count in ground.simulator.truth.duplicate_tags().items():
        verdict.twice.append(f"{count} analyses with the tags {', '.join(tags)}")
    known = {each for document in documents.values() for item in document["items"] for each in ids_of(item)}
    open_ended = {
        item["key"]
        for document in documents.values()
        for item in document["items"]
        if MAY_BE_THERE in (item["detail"] or "")
    }
    for effect in ground.simulator.ledger.effects("analysis"):
        if effect.id not in known and effect.name not in open_ended:
            verdict.twice.append(f"nobody knows of analysis {effect.id} ({effect.name})")


def help_with(ground: Ground, document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What is blocked is tried again: the key, or the tags, keep it from being created twice."""
    del ground
    return [{"retry": document["job"]["name"]}]
