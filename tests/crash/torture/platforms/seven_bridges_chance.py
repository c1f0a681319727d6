"""What a round on Seven Bridges meets: its ways, its faults, and work of every kind."""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chance import OUR_FAULTS, REFUSALS, Draw, Work, a_fault, an_operation, how_many, kinds_of_faults, word

from orchestrator.clock import Clock
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.sevenbridges import Config, Knobs, Simulator

PROJECT = "lab/cohort"
APP = "lab/cohort/align"
VOLUME = "lab/bucket"

CREATING = (
    "create_task",
    "run_task",
    "bulk_create_imports",
    "bulk_create_exports",
    "create_copy_job",
    "create_move_job",
    "create_delete_job",
    "bulk_edit_files",
    "bulk_create_drs_imports",
    "create_automation_run",
)
BULK_READS = ("bulk_get_tasks", "bulk_get_imports", "bulk_get_exports")
LISTS = ("list_tasks", "list_imports", "list_exports", "list_file_jobs", "list_automation_runs", "list_files")
SINGLES = ("get_task", "get_file_job", "get_drs_import", "get_automation_run")
STOPS = ("abort_task", "delete_task", "stop_automation_run")
EVERYTHING = ("*", "get_user", *CREATING, *BULK_READS, *LISTS, *SINGLES, *STOPS)

QUIRKS: Mapping[str, tuple[str, ...]] = {
    "other_user": ("get_user",),  # on other calls it would make things that our lists never show
    "maintenance": EVERYTHING,
    "row_error": (*BULK_READS, "bulk_create_imports", "bulk_create_exports", "bulk_edit_files"),
    "shuffled": (*BULK_READS, "bulk_create_imports", "bulk_create_exports", "bulk_edit_files"),
    "rows_shift": LISTS,
    "row_vanishes": (*LISTS, *BULK_READS, "bulk_create_imports", "bulk_create_exports", "bulk_edit_files"),
    "twice_listed": LISTS,
    "made_twice": ("create_task", "run_task"),  # whatever else is made at once is made twice by the gateway, not by us
    "stale": (*BULK_READS, *SINGLES),
}
FAULTS = kinds_of_faults(QUIRKS)
"""Kinds of faults, and what else this platform does."""

TASK_WORDS = ("fail", "abort", "flip", "odd", "invalid", "slow", "bad")
RUN_WORDS = ("fail", "abort", "odd", "slow")
FILE_WORDS = ("fail", "slow", "bad", "unknown")
TRANSFER_WORDS = ("fail", "odd", "slow", "bad")


def knobs(chance: random.Random) -> Knobs:
    """Durations in fast seconds; what nobody outside knows of the platform, one way or the other."""
    tight = chance.random() < 0.3
    return Knobs(
        task_seconds=chance.uniform(20, 240),
        creating_seconds=chance.uniform(1, 20),
        transfer_seconds=chance.uniform(5, 60),
        file_job_seconds=chance.uniform(3, 60),
        drs_seconds=chance.uniform(5, 60),
        automation_seconds=chance.uniform(20, 240),
        abort_seconds=chance.uniform(2, 30),
        post_status=chance.choice((200, 201)),
        parent_end=chance.choice(("completed", "failed_if_any", "failed_if_all")),
        invalid_run=chance.choice(("errors", "refuse")),
        children_listed=chance.random() < 0.5,
        time_filter=chance.choice(("exact", "day", "ignored")),
        list_lag=chance.choice((0.0, chance.uniform(1, 300))),
        result_order=chance.choice(("sent", "shuffled")),
        pages_shift=chance.random() < 0.5,
        drs_files=chance.choice((20, 500)),
        drs_per=chance.uniform(30, 300),
        automation_tasks=chance.randint(0, 3),
        requests=chance.randint(100, 300) if tight else 10_000,
        window=chance.choice(("sliding", "fixed", "fixed_from_first")),
        count_refused=chance.random() < 0.5,
        rate_headers=chance.random() < 0.7,
        rate_reset=chance.choice(("s", "ms")),
    )


def account(chance: random.Random, knobs: Knobs) -> dict[str, Any]:
    """Sizes that make several batches and pages of a job."""
    bulk = ("import", "export", "file_copy", "file_move", "file_delete", "file_update", "drs_import")
    return {
        "budget": {"requests": knobs.requests, "per": f"{knobs.per:g}s"},
        "poll": {"min_interval": "3s", "max_interval": "30s"},
        "limits": {"open_items": chance.choice((30, 100, 5000))},
        "batch_size": {name: chance.choice((3, 10, 100)) for name in bulk},
        "page_size": chance.choice((7, 50, 100)),
    }


def simulate(seed: int, knobs: Knobs, secret: str, clock: Clock) -> Simulator:
    """One Seven Bridges."""
    return Simulator(Config(seed=seed, knobs=knobs, tokens=(secret,)), clock)


# ---------------------------------------------------------------- faults


def faults(chance: random.Random) -> Callable[[], Fault]:
    """Each fault is drawn by itself."""
    return partial(_fault, chance)


def _fault(chance: random.Random) -> Fault:
    """Of any kind, on the calls that it can befall."""
    kind, quirk = chance.choice(FAULTS)
    operations = QUIRKS.get(quirk, EVERYTHING)
    # What was done and is then denied would be a lie that no one can see through: afterwards only a 5xx is answered.
    # Nor does a platform deny for a moment that it has what is read, or what is run: that it is gone is acted on.
    statuses: tuple[int, ...] = OUR_FAULTS
    operation = an_operation(chance, operations, EVERYTHING)
    if kind is FaultKind.ERROR:
        denied = operation in {"*", "run_task", *SINGLES, *STOPS}
        statuses = (*OUR_FAULTS, *(status for status in REFUSALS if not (denied and status == 404)))
    return a_fault(chance, kind, quirk, operation, statuses, lasts=(10, 120) if quirk == "maintenance" else None)


# ---------------------------------------------------------------- work


def _tasks(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    doomed, table = chance.random() < 0.2, chance.random() < 0.3
    words = (*TASK_WORDS, "stuck") if doomed else TASK_WORDS
    keys = tuple(f"{name} s{n} {word(chance, words)}" for n in how_many(chance, 5, 40, share))
    document = _job(chance, name, "task")
    if chance.random() < 0.3:
        document["retry"] = {"attempts": 2, "on": ["FAILED"]}
    if not table:
        return Work(document | {"items": [{"name": key, "app": APP} for key in keys]}, keys, doomed=doomed)
    document |= {"template": {"name": "${sample}", "app": APP}, "table": f"{name}.csv"}
    return Work(document, keys, table="sample\n" + "".join(f"{key}\n" for key in keys), doomed=doomed)


def _batch_tasks(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    """Batch tasks of some files each; a child fails where its file's name says so."""
    keys = tuple(f"{name} cohort{n}" for n in how_many(chance, 1, 3, share))
    by = {"batch_input": "reads", "batch_by": {"type": "item"}}
    items = []
    for key in keys:
        files = [f"{word(chance, ('fail', 'slow'))}_{n}" for n in how_many(chance, 1, 30, share)]
        reads = [{"class": "File", "path": each, "name": each} for each in files]
        items.append({"name": key, "app": APP, "inputs": {"reads": reads}} | by)
    return Work(_job(chance, name, "task") | {"items": items}, keys)


def _runs(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    doomed = chance.random() < 0.2
    words = (*RUN_WORDS, "stuck") if doomed else RUN_WORDS
    keys = tuple(f"{name} r{n} {word(chance, words)}" for n in how_many(chance, 1, 10, share))
    document = _job(chance, name, "automation_run")
    del document["project"]
    items = [{"name": key, "package": "lab/rheo/1", "inputs": {"project": PROJECT}} for key in keys]
    return Work(document | {"items": items}, keys, doomed=doomed)


def _imports(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    keys = tuple(f"{name}/f{n}_{word(chance, TRANSFER_WORDS)}.bam" for n in how_many(chance, 5, 120, share))
    items = [{"source": {"volume": VOLUME, "location": key}} for key in keys]
    return Work(_job(chance, name, "import") | {"items": items}, keys)


def _exports(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    keys = tuple(f"{name}/x{n}_{word(chance, TRANSFER_WORDS)}.bam" for n in how_many(chance, 5, 120, share))
    items = [
        {"source": {"file": f"{name}x{n}"}, "destination": {"volume": VOLUME, "location": key}}
        for n, key in enumerate(keys)
    ]
    options = {"copy_only": chance.random() < 0.5}
    return Work(_job(chance, name, "export") | {"items": items, "options": options}, keys)


def _files(kind: str, chance: random.Random, name: str, knobs: Knobs, share: float) -> Work:
    """Files that nothing distinguishes must all end alike where rows are not in the order of the request."""
    in_order = knobs.result_order == "sent"
    named = kind in {"file_copy", "file_move"} and chance.random() < 0.7
    words = FILE_WORDS if in_order or named or kind == "file_update" else ("slow",)
    keys = tuple(f"{kind}_{name}_{n}_{word(chance, words)}" for n in how_many(chance, 5, 120, share))
    change: dict[str, Any] = {"tags": ["seen"]} if kind == "file_update" else {}
    if named:
        return Work(_job(chance, name, kind) | {"items": [{"file": key, "name": f"n_{key}"} for key in keys]}, keys)
    return Work(_job(chance, name, kind) | {"items": [{"file": key} | change for key in keys]}, keys)


def _drs(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    keys = tuple(f"drs://dg.org/{name}_{n}_{word(chance, FILE_WORDS)}" for n in how_many(chance, 5, 60, share))
    items = [{"drs_uri": key, "name": key.rpartition("/")[2]} for key in keys]
    options = {"conflict_resolution": chance.choice(("SKIP", "SKIP", "RENAME"))}
    return Work(_job(chance, name, "drs_import") | {"items": items, "options": options}, keys)


KINDS: Sequence[tuple[Draw, int]] = (
    (_tasks, 3),  # what is paid for
    (_batch_tasks, 1),
    (_runs, 1),
    (_imports, 1),
    (_exports, 1),
    (partial(_files, "file_copy"), 1),
    (partial(_files, "file_move"), 1),
    (partial(_files, "file_delete"), 1),
    (partial(_files, "file_update"), 1),
    (_drs, 1),
)


def _job(chance: random.Random, name: str, kind: str) -> dict[str, Any]:
    job: dict[str, Any] = {"name": name, "kind": f"sevenbridges.{kind}", "account": "sevenbridges", "project": PROJECT}
    job["priority"] = chance.randint(0, 9)
    if chance.random() < 0.2:
        job["max_open"] = chance.randint(5, 50)
    return job
