"""Compares results of analyses with what the simulated ICA did. What else is done there: ica_data_judge.py."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chance import Work
from ground import Site
from platforms import ica_data_judge, ica_session_judge
from verdict import MAY_BE_THERE, Item, Verdict, ids_of

STATES = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "FAILED_FINAL": "failed",
    "ABORTED": "aborted",
}


def judge(verdict: Verdict, site: Site, documents: Mapping[str, dict[str, Any]]) -> None:
    """By the kind of each job."""
    for work in site.work:
        if (document := documents.get(work.name)) is not None:
            _JUDGES.get(work.kind, ica_data_judge.judge)(verdict, site, work, document)
    _nothing_twice(verdict, site, documents)


# ---------------------------------------------------------------- analyses


def _analyses(verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    statuses = site.simulator.truth.analyses()
    created = _created(site)
    retries = site.retries(work.name)
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


def _created(site: Site) -> defaultdict[str, set[str]]:
    created: defaultdict[str, set[str]] = defaultdict(set)
    for effect in site.simulator.ledger.effects("analysis"):
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


# ---------------------------------------------------------------- everything together


def _nothing_twice(verdict: Verdict, site: Site, documents: Mapping[str, Any]) -> None:
    """By the tags that each analysis was created with, and against what the results account for."""
    for (_, tags), count in site.simulator.truth.duplicate_tags().items():
        verdict.twice.append(f"{count} analyses with the tags {', '.join(tags)}")
    known = {each for document in documents.values() for item in document["items"] for each in ids_of(item)}
    open_ended = {
        item["key"]
        for document in documents.values()
        for item in document["items"]
        if MAY_BE_THERE in (item["detail"] or "")
    }
    for effect in site.simulator.ledger.effects("analysis"):
        if effect.id not in known and effect.name not in open_ended:
            verdict.twice.append(f"nobody knows of analysis {effect.id} ({effect.name})")


def help_with(site: Site, document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What is blocked is tried again, as a key or tags keep it from being made twice; else adopted, if it is there."""
    return ica_data_judge.adoptions(site, document) or [{"retry": document["job"]["name"]}]


_JUDGES = {"ica.analysis_creation": _analyses, "ica.workflow_session": ica_session_judge.judge}
