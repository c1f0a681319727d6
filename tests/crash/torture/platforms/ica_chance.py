"""What a round on ICA meets: its ways, its faults, and analyses. What else is done there: ica_data_chance.py."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from chance import OUR_FAULTS, REFUSALS, Draw, Work, a_fault, an_operation, how_many, kinds_of_faults, word
from platforms import ica_data_chance, ica_session_chance
from platforms.ica_jobs import PIPELINE, PROJECT, job

from orchestrator.clock import Clock
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.ica import Config, Knobs, Simulator

ANALYSIS_WORDS = ("fail", "failfinal", "abort", "await", "odd", "nocreate", "slow", "bad")

FAMILIES = (
    "ProjectDataLinkingBatch",
    "ProjectDataUnlinkingBatch",
    "ProjectDataCopyBatch",
    "ProjectDataMoveBatch",
    "ProjectDataUpdateBatch",
    "SampleCreationBatch",
    "BundleDataLinkingBatch",
    "BundleDataUnlinkingBatch",
)
CREATING = ("createAnalysisCreationBatch", *(f"create{family}" for family in FAMILIES))
TOKENS = ("createJwtToken",)
DATA_PAGES = tuple(f"get{family}Items" for family in FAMILIES)
PAGES = ("getAnalysisCreationBatchItems", *DATA_PAGES, "getJobs")
SEARCHES = ("searchAnalyses",)
SINGLES = ("getAnalysisCreationBatch", *(f"get{family}" for family in FAMILIES), "getAnalysis")
SESSIONS = ("searchWorkflowSessions", "searchOrchestratedAnalyses")
"""What these leave out is seen nowhere else: their rows may come late or twice, but they come."""
PARTS = ("getWorkflowSessionInputs", "getWorkflowSessionConfigurations")
EVERYTHING = (
    "*",
    *CREATING,
    *TOKENS,
    *PAGES,
    *SEARCHES,
    *SINGLES,
    *SESSIONS,
    *PARTS,
    "abortAnalysis",
    "getProjectSamples",
)
DENIABLE = frozenset({*EVERYTHING} - {"*", *SESSIONS, *PARTS})
"""Calls that may be answered with 404 although the thing is there. A session that is denied for a minute is gone."""

NOT_FOUND = 404
QUIRKS = ("other_user", "job_null", "job_stuck", "item_unlisted", "item_vanishes", "item_twice", "stale")
FAULTS = kinds_of_faults(QUIRKS)
"""Kinds of faults, and what else this platform does."""


def knobs(chance: random.Random) -> Knobs:
    """Durations in fast seconds; what nobody outside knows of ICA, one way or the other."""
    tight = chance.random() < 0.3
    return Knobs(
        link_seconds=chance.uniform(5, 60),
        data_seconds=chance.uniform(5, 60),
        session_seconds=chance.uniform(30, 240),
        creation_seconds=chance.uniform(5, 60),
        analysis_seconds=chance.uniform(20, 240),
        await_seconds=chance.uniform(5, 60),
        abort_seconds=chance.uniform(2, 30),
        embedded=chance.choice(("live", "snapshot", "lagging")),
        embedded_lag=chance.uniform(1, 120),
        search_lag=chance.choice((0.0, chance.uniform(1, 300))),
        tag_filter=chance.choice(("all", "any", "prefix")),
        bad_item=chance.choice(("refuse_post", "fail_item")),
        link_race=chance.choice(("already", "failed")),
        move_again=chance.choice(("failed", "moved")),
        sample_names=chance.choice(("free", "unique")),
        echo=chance.choice(("full", "ids")),
        sessions_named=chance.random() < 0.7,
        job_null=chance.random() < 0.2,
        null_lists=chance.random() < 0.2,
        last_page=chance.choice(("empty", "null", "absent")),
        page_order=chance.choice(("stable", "shuffled")),
        token_seconds=chance.choice((120.0, 3600.0)),
        cursor_seconds=chance.choice((2.0, 600.0)),
        requests=chance.randint(100, 300) if tight else 10_000,
        window=chance.choice(("sliding", "fixed", "fixed_from_first")),
        count_refused=chance.random() < 0.5,
        retry_after=chance.random() < 0.5,
    )


def account(chance: random.Random, knobs: Knobs) -> dict[str, Any]:
    return {
        "budget": {"requests": knobs.requests, "per": f"{knobs.per:g}s"},
        "poll": {
            "min_interval": "3s",
            "max_interval": "30s",
            "strategy": chance.choice(("auto", "items")),
        },
        "limits": {"open_items": chance.choice((30, 100, 5000))},
        "batch_size": {
            "analysis_creation": chance.choice((3, 10, 25)),
            "data_linking": chance.choice((7, 40, 200)),
            **{name: chance.choice((5, 40, 200)) for name in ica_data_chance.SIZED},
        },
        "page_size": chance.choice((7, 50, 1000)),
    }


def simulate(seed: int, knobs: Knobs, secret: str, clock: Clock) -> Simulator:
    """One ICA."""
    return Simulator(Config(seed=seed, knobs=knobs, api_keys=(secret,)), clock)


# ---------------------------------------------------------------- faults


def faults(chance: random.Random) -> Callable[[], Fault]:
    """A platform that hides the same analysis from its pages and from its searches has accepted what it never shows.

    No client can help that, so a round hides rows from one of the two only.
    """
    return partial(_fault, chance, chance.choice((PAGES, SEARCHES)))


def _fault(chance: random.Random, seen_badly: tuple[str, ...]) -> Fault:
    """Of any kind, on the calls that it can befall."""
    kind, quirk = chance.choice(FAULTS)
    operations: tuple[str, ...] = EVERYTHING
    match quirk:
        case "other_user":
            operations = TOKENS  # the rest follows: whoever the token names
        case "job_null":
            operations = CREATING
        case "job_stuck":
            operations = CREATING  # a job that never ends never says that an item is missing
            quirk = quirk if seen_badly is SEARCHES else "job_null"
        case "item_unlisted":
            operations = CREATING[:1]  # nothing but its page tells about a link
            quirk = quirk if seen_badly is PAGES else "job_null"
        case "item_vanishes":
            operations = (*seen_badly, *DATA_PAGES, "getJobs")
        case "item_twice" | "stale":
            operations = (*PAGES, *SEARCHES, *SESSIONS)
        case _:
            pass
    # What was done and is then denied would be a lie that no one can see through: afterwards only a 5xx is answered.
    operation = an_operation(chance, operations, EVERYTHING)
    statuses = (*OUR_FAULTS, *REFUSALS) if kind is FaultKind.ERROR else OUR_FAULTS
    if operation not in DENIABLE:
        statuses = tuple(status for status in statuses if status != NOT_FOUND)
    return a_fault(chance, kind, quirk, operation, statuses)


# ---------------------------------------------------------------- work


def _analyses(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    doomed, table = chance.random() < 0.2, chance.random() < 0.3
    words = (*ANALYSIS_WORDS, "stuck") if doomed else ANALYSIS_WORDS
    keys = tuple(f"{name}/s{n}-{word(chance, words)}" for n in how_many(chance, 5, 60, share))
    document = job(chance, name, "ica.analysis_creation", PROJECT) | {"engine": "nextflow"}
    request = {"pipelineId": PIPELINE, "analysisInput": {"inputs": [{"parameterCode": "in", "dataIds": ["fil.0a"]}]}}
    if chance.random() < 0.3:
        document["retry"] = {"attempts": 2, "on": ["FAILED"]}
    if not table:
        document["items"] = [{"userReference": key, **request} for key in keys]
        return Work(document, keys, doomed=doomed)
    document |= {"template": {"userReference": "${reference}", **request}, "table": f"{name}.csv"}
    rows = "".join(f"{key}\n" for key in keys)
    return Work(document, keys, table=f"reference\n{rows}", doomed=doomed)


KINDS: Sequence[tuple[Draw, int]] = (
    (_analyses, 6),  # what is paid for
    *((draw, 1) for draw in ica_data_chance.DRAWS),
    (ica_session_chance.sessions, 2),
)
