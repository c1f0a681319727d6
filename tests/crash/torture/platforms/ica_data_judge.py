"""Compares results of links, copies, moves, changes and samples with what the simulated ICA did."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from chance import Work
from ground import Site
from verdict import GIVEN_UP, MAY_BE_THERE, Item, Verdict, ids_of

SUBJECTS = {
    "ica.data_linking": "ProjectDataLinkingBatch",
    "ica.data_unlinking": "ProjectDataUnlinkingBatch",
    "ica.data_copy": "ProjectDataCopyBatch",
    "ica.data_move": "ProjectDataMoveBatch",
    "ica.data_update": "ProjectDataUpdateBatch",
    "ica.sample_creation": "SampleCreationBatch",
    "ica.bundle_linking": "BundleDataLinkingBatch",
    "ica.bundle_unlinking": "BundleDataUnlinkingBatch",
}
MEMBERS = {"ica.data_linking", "ica.data_unlinking", "ica.bundle_linking", "ica.bundle_unlinking"}
"""Kinds of which doing it twice is doing it once, whatever the answers."""
STATES = {
    **dict.fromkeys(("LINKED", "ALREADY_LINKED", "UNLINKED", "ALREADY_UNLINKED"), "succeeded"),
    **dict.fromkeys(("COPIED", "MOVED", "UPDATED", "SUCCEEDED", "AVAILABLE"), "succeeded"),
    **{f"PARTIALLY_{done}": "partial" for done in ("LINKED", "UNLINKED", "COPIED", "MOVED", "UPDATED", "SUCCEEDED")},
    "FAILED": "failed",
    "STOPPED": "aborted",
}
FOUND = "found by its tag"
"""What the daemon says of a sample of which no batch is known."""


class Row(NamedTuple):
    """One item of a batch on ICA."""

    batch: str
    item: Any


def judge(verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    """Item by item: against the batch that it says it is in, and against all batches of this work."""
    rows, now = _rows(site, work), site.clock.monotonic()
    batches = {batch["number"]: batch["remote_id"] for batch in document["batches"]}
    for item in document["items"]:
        asked = rows[item["key"]]
        verdict.created += bool(asked)
        if not (work.kind in MEMBERS or _may_be_repeated(work)):
            _once(verdict, site, work, item, asked)
        verdict.repeated += max(0, len(asked) - 1)
        _nothing_unknown(verdict, work, item, asked, now)
        if GIVEN_UP in (item["detail"] or "") or MAY_BE_THERE in (item["detail"] or ""):
            continue
        truth = {row.batch: row.item.status(now) for row in asked}.get(batches.get(item["batch"]))
        for problem in _reported_rightly(item, truth, asked, now):
            verdict.differ.append(f"{work.name} {item['key']}: {problem}")


def adoptions(site: Site, document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The blocked batches of a job that ICA has, of which it holds no key and no tag."""
    name, subject = document["job"]["name"], SUBJECTS.get(document["job"]["kind"])
    claimed = {batch["remote_id"] for batch in document["batches"]}
    controls: list[Mapping[str, Any]] = []
    for batch in document["batches"]:
        if batch["state"] != "blocked":
            continue
        keys = {item["key"] for item in document["items"] if item["batch"] == batch["number"]}
        for there in site.simulator._world.batches.values():
            names = {item.name for item in there.items.values()}
            if there.job.subject_type == subject and names == keys and there.id not in claimed:
                controls.append({"adopt": {"job": name, "batch": batch["number"], "remote_id": there.id}})
                break
    return controls


def _rows(site: Site, work: Work) -> defaultdict[str, list[Row]]:
    """All valid items of this work, by name, in all batches that ICA ever had."""
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for batch in site.simulator._world.batches.values():
        if batch.job.subject_type == SUBJECTS[work.kind] and batch.owner == work.document["project"]:
            for item in batch.items.values():
                rows[item.name].append(Row(batch.id, item))
    return rows


def _may_be_repeated(work: Work) -> bool:
    """Whether a copy of files is one file however often it is made."""
    action = work.document.get("options", {}).get("actionOnExist", "RENAME")
    return action != "RENAME" and not any(key.startswith("fol.") for key in work.keys)


def _once(verdict: Verdict, site: Site, work: Work, item: Item, asked: Sequence[Row]) -> None:
    """What failed left nothing, so it may be asked for again; and an operator may try a whole job again."""
    now = site.clock.monotonic()
    done = sum(row.item.status(now) != "FAILED" for row in asked)
    if done > 1 + site.retries(work.name):
        verdict.twice.append(f"{work.name} {item['key']} was done {done} times")


def _nothing_unknown(verdict: Verdict, work: Work, item: Item, asked: Sequence[Row], now: float) -> None:
    """Every copy and every sample is one that the item names."""
    made = {row.item.made for row in asked if row.item.made and row.item.status(now) in {"COPIED", "PARTIALLY_COPIED"}}
    made |= {row.item.sample.id for row in asked if row.item.sample is not None}
    if work.kind not in {"ica.data_copy", "ica.sample_creation"} or MAY_BE_THERE in (item["detail"] or ""):
        return
    if made - ids_of(item):
        verdict.twice.append(f"{work.name} {item['key']} made {sorted(made)}, known are {sorted(ids_of(item))}")


def _reported_rightly(item: Item, truth: str | None, asked: Sequence[Row], now: float) -> Iterator[str]:
    """Against the status of the item in the batch that it says it is in; None: ICA has no such batch."""
    state, status = item["state"], item["status"]
    if truth is not None:
        if (status, state) != (truth, STATES.get(truth)):
            yield f"says {state} {status}, is {truth}"
    elif (item["detail"] or "").startswith(FOUND):
        if not any(row.item.sample is not None for row in asked):
            yield f"says {state} {status}, and there is no such sample"
    elif state == "cancelled":
        if any(row.item.status(now) != "FAILED" for row in asked):
            yield "was cancelled, and was done"
    elif state != "failed" or not item["detail"]:
        yield f"was never done and is {state} {status}: {item['detail']}"
    elif any(row.item.status(now) != "FAILED" for row in asked):
        yield f"failed ({item['detail']}), and was done"
