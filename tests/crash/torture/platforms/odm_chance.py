"""What a round on ODM meets: its ways, its faults, publications, imports, and tasks that are followed."""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chance import OUR_FAULTS, REFUSALS, Draw, Work, a_fault, an_operation, how_many, kinds_of_faults, word

from orchestrator.clock import Clock
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.odm import Config, Knobs, Simulator

MAKING = ("publish_all", "publish_study", "start_import", "restart_job")
READS = ("list_versions", "list_studies", "get_task", "list_audit_events", "get_job", "get_output")
EVERYTHING = ("*", *MAKING, *READS, "stop_job")
QUIRKS: Mapping[str, tuple[str, ...]] = {
    "made_twice": ("start_import", "restart_job"),  # a publication is made twice by the gateway, not by us
    "stale": READS,
}
FAULTS = kinds_of_faults(QUIRKS)
NOT_FOUND, CONFLICT = 404, 409

STUDY_WORDS = ("fail", "kill", "blocked", "resumed", "odd", "slow", "unchanged", "bad", "unknown")
IMPORT_WORDS = ("fail", "flaky", "halt", "abandon", "odd", "slow", "bad")
TASK_WORDS = ("fail", "kill", "blocked", "resumed", "odd", "slow", "unknown")
TYPES = ("study", "samples", "libraries", "preparations", "expression", "variant", "flow-cytometry", "cells", "file")
METADATA = 4
"""So many of the types have a link to metadata alone."""


def knobs(chance: random.Random) -> Knobs:
    """Durations in fast seconds; what nobody outside knows of ODM, one way or the other."""
    tight = chance.random() < 0.3
    return Knobs(
        publish_seconds=chance.uniform(5, 60),
        import_seconds=chance.uniform(10, 120),
        stop_seconds=chance.uniform(1, 20),
        publish_all=chance.choice(("kept", "404", "405")),
        audit=chance.choice(("forbidden", "permitted", "absent")),
        audit_messages=chance.random() < 0.7,
        version_shown=chance.choice(("at_end", "at_once")),
        republish=chance.choice(("nothing", "version")),
        missing_study=chance.choice((404, 500)),
        conflict_names="latest",  # else what was restarted elsewhere cannot be found: docs/platforms.md says so
        failed_again=chance.choice(("409", "new")),
        restart_id=chance.choice(("new", "same")),
        restart_answer=chance.choice(("fresh", "stale")),
        running_word=chance.choice(("RUNNING", "STARTED")),
        job_times=chance.choice(("iso", "day_first")),
        task_times=chance.choice(("ms", "s", "text")),
        requests=chance.randint(100, 300) if tight else 10_000,
        window=chance.choice(("sliding", "fixed", "fixed_from_first")) if tight else "none",
    )


def account(chance: random.Random, knobs: Knobs) -> dict[str, Any]:
    """With either header."""
    return {
        "budget": {"requests": knobs.requests, "per": f"{knobs.per:g}s"},
        "header": chance.choice(("Authorization", "Genestack-API-Token")),
        "poll": {"min_interval": "3s", "max_interval": "30s"},
        "limits": {"open_items": chance.choice((30, 100, 5000))},
    }


def simulate(seed: int, knobs: Knobs, secret: str, clock: Clock) -> Simulator:
    """One ODM."""
    return Simulator(Config(seed=seed, knobs=knobs, tokens=(secret,)), clock)


# ---------------------------------------------------------------- faults


def faults(chance: random.Random) -> Callable[[], Fault]:
    """Each fault is drawn by itself."""
    return partial(_fault, chance)


def _fault(chance: random.Random) -> Fault:
    """Of any kind, on the calls that it can befall.

    What was done and is then denied would be a lie that no one can see through: afterwards only a 5xx is answered. Nor
    does ODM deny for a moment that it has what is read; and a conflict is about links that it has.
    """
    kind, quirk = chance.choice(FAULTS)
    operations = QUIRKS.get(quirk, EVERYTHING)
    operation = an_operation(chance, operations, EVERYTHING)
    statuses: tuple[int, ...] = OUR_FAULTS
    if kind is FaultKind.ERROR:
        denied = {NOT_FOUND, CONFLICT} if operation in {"*", "stop_job", *READS} else {CONFLICT}
        statuses = (*OUR_FAULTS, *(status for status in REFUSALS if status not in denied))
    return a_fault(chance, kind, quirk, operation, statuses)


# ---------------------------------------------------------------- work


def _publications(chance: random.Random, name: str, knobs: Knobs, share: float) -> Work:
    """Studies, each for itself."""
    words = tuple(each for each in STUDY_WORDS if each != "unknown" or knobs.missing_study == NOT_FOUND)
    keys = tuple(f"{name}-s{n}-{word(chance, words)}" for n in how_many(chance, 3, 30, share))
    return Work(_retried(chance, name, "publish") | {"items": [{"study": key} for key in keys]}, keys)


def _everything(chance: random.Random, name: str, _knobs: Knobs, _share: float) -> Work:
    """All studies at once, which some ODMs can."""
    item = {"study": "all", "versionMessage": f"everything of {name}"}
    return Work(_job(chance, name, "publish") | {"items": [item]}, ("all",))


def _imports(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    """Some of the links are those of every other job of imports."""
    doomed = chance.random() < 0.15
    words, items = (*IMPORT_WORDS, "stuck") if doomed else IMPORT_WORDS, []
    for n in how_many(chance, 3, 40, share):
        shared = chance.random() < 0.15
        what = n % len(TYPES)
        place = f"shared/s{n}-{SHARED[n % len(SHARED)]}" if shared else f"{name}/s{n}-{word(chance, words)}"
        link = "metadataLink" if what < METADATA else "dataLink"
        items.append({"type": TYPES[what], link: f"https://files.example.org/{place}.tsv"})
    keys = tuple(item.get("dataLink") or item["metadataLink"] for item in items)
    return Work(_retried(chance, name, "import") | {"items": items}, keys, doomed=doomed)


def _tasks(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    doomed = chance.random() < 0.15
    words = (*TASK_WORDS, "stuck") if doomed else TASK_WORDS
    keys = tuple(f"{name}-t{n}-{word(chance, words)}" for n in how_many(chance, 3, 30, share))
    document = _job(chance, name, "task") | {"items": [{"id": key} for key in keys]}
    document.pop("max_open", None)
    return Work(document, keys, doomed=doomed)


SHARED = ("x", "flaky", "x", "fail", "x", "halt", "x", "x")
"""What becomes of the n-th link that several jobs have."""

KINDS: Sequence[tuple[Draw, int]] = ((_publications, 3), (_everything, 1), (_imports, 3), (_tasks, 1))


def _retried(chance: random.Random, name: str, kind: str) -> dict[str, Any]:
    retry = {"retry": {"attempts": 2, "on": ["FAILED"]}} if chance.random() < 0.2 else {}
    return _job(chance, name, kind) | retry


def _job(chance: random.Random, name: str, kind: str) -> dict[str, Any]:
    job: dict[str, Any] = {"name": name, "kind": f"odm.{kind}", "account": "odm", "priority": chance.randint(0, 9)}
    if chance.random() < 0.2:
        job["max_open"] = chance.randint(5, 50)
    return job
