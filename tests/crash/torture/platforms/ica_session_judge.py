"""Compares what a job says of workflow sessions with what the simulated ICA launched."""

from collections.abc import Mapping
from typing import Any

from chance import Work
from ground import Site
from platforms.ica_data_judge import STATES as DATA_STATES
from verdict import GIVEN_UP, Item, Verdict

STATES = {**DATA_STATES, "FAILED_FINAL": "failed", "ABORTED": "aborted"}


def judge(verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    """Every session and every analysis once, each below what it belongs to; and nothing was stopped."""
    [selector] = [item for item in document["items"] if item["key"] == work.keys[-1]]
    items = {item["key"]: item for item in document["items"]}
    if len(items) != len(document["items"]):
        verdict.twice.append(f"{work.name} has an item twice")
    expected = {selector["key"]}
    for session in site.simulator._world.sessions:
        if f"{work.name}-night" not in session.tags.technical:
            continue
        parent = None if session.id in work.keys else selector["key"]
        _compare(verdict, site, work, items.get(session.id), thing=session, parent=parent)
        expected.add(session.id)
        for analysis in session.analyses:
            _compare(verdict, site, work, items.get(analysis.id), thing=analysis, parent=session.id)
            expected.add(analysis.id)
        stopped = {effect.id for effect in site.simulator.ledger.effects("abort")}
        if stopped & {analysis.id for analysis in session.analyses}:
            verdict.twice.append(f"{work.name} has stopped analyses of {session.id}")
    verdict.created += len(expected) - 1
    verdict.differ += [f"{work.name} has {key}, which is nowhere" for key in items.keys() - expected]
    _selector(verdict, work, selector, document)


def _compare(verdict: Verdict, site: Site, work: Work, item: Item | None, *, thing: Any, parent: str | None) -> None:
    """An item against the session or analysis that it is; what is no longer followed need not be known."""
    now = site.clock.monotonic()
    if item is None:
        if thing.exists(now) and not _left(site, work):
            verdict.lost.append(f"{work.name}: {thing.id} ({thing.user_reference}) below {parent}")
        return
    if item["parent"] != parent:
        verdict.differ.append(f"{work.name} {item['key']} is below {item['parent']}, not {parent}")
    if item["state"] == "cancelled" and _left(site, work):
        return
    truth = thing.status(now)
    if GIVEN_UP not in (item["detail"] or "") and (item["status"], item["state"]) != (truth, STATES.get(truth)):
        verdict.differ.append(f"{work.name} {item['key']}: says {item['state']} {item['status']}, is {truth}")


def _selector(verdict: Verdict, work: Work, selector: Item, document: Mapping[str, Any]) -> None:
    if selector["state"] == "cancelled":
        return
    states = [item["state"] for item in document["items"] if item["parent"] == selector["key"]]
    succeeded = states.count("succeeded")
    expected = "succeeded" if succeeded == len(states) else "partial" if succeeded else "failed"
    if (selector["state"], selector["status"]) != (expected, None):
        verdict.differ.append(f"{work.name}: the selector is {selector['state']}, its sessions make it {expected}")
    if (selector["facts"] or {}).get("found") != len(states):
        verdict.differ.append(f"{work.name}: {selector['facts']}, has {len(states)} sessions")


def _left(site: Site, work: Work) -> bool:
    """Whether the job was cancelled, or given up."""
    return any(f"{verb}-" in name and work.name in name for name in site.names("accepted") for verb in CONTROLS)


CONTROLS = ("cancel", "give-up")
