"""Compares what the daemon says, item by item, with what the platforms really did."""

import csv
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from chance import Work
from ground import Ground
from verdict import Verdict


def judge(ground: Ground, documents: Mapping[str, dict[str, Any]]) -> Verdict:
    """The platforms' ledgers and the files on disk are the witnesses."""
    verdict = Verdict()
    for work in ground.plan.work:
        document = documents.get(work.name)
        if document is None:
            verdict.lost.append(f"job {work.name}")
            continue
        verdict.items += len(work.keys)
        verdict.kinds[work.kind] += len(work.keys)
        _whole(verdict, work, document)
        _on_disk(verdict, ground, work, document)
    for name, site in ground.sites.items():
        own = {job: each for job, each in documents.items() if each["job"]["kind"].startswith(f"{name}.")}
        site.side.platform.judge(verdict, site, own)
    _files(verdict, ground)
    _budget(verdict, ground)
    return verdict


def _whole(verdict: Verdict, work: Work, document: Mapping[str, Any]) -> None:
    told = Counter(item["key"] for item in document["items"] if item["parent"] is None)
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
    for name, site in ground.sites.items():
        for usage in site.simulator.budget.usage.values():
            if site.knobs.window != "none" and usage.worst > site.knobs.requests:
                verdict.over_budget.append(f"{name}: {usage.worst} requests in one window, not {site.knobs.requests}")
