"""What a round on ICA meets: its ways, its faults, analyses and links."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from chance import OUR_FAULTS, REFUSALS, Work, word

from orchestrator.clock import Clock
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.ica import Config, Knobs, Simulator

PROJECT = "6e0a1d4c-2a52-4c0b-9d53-0f5f3f6f7a10"
PIPELINE = "0b1c2d3e-4f50-4162-8374-95a6b7c8d9e0"

LINK_WORDS = ("partial", "fail", "odd", "already", "slow", "bad")
ANALYSIS_WORDS = ("fail", "failfinal", "abort", "await", "odd", "nocreate", "slow", "bad")

CREATING = ("createAnalysisCreationBatch", "createProjectDataLinkingBatch")
TOKENS = ("createJwtToken",)
PAGES = ("getAnalysisCreationBatchItems", "getProjectDataLinkingBatchItems", "getJobs")
SEARCHES = ("searchAnalyses",)
SINGLES = ("getAnalysisCreationBatch", "getProjectDataLinkingBatch", "getAnalysis")
EVERYTHING = ("*", *CREATING, *TOKENS, *PAGES, *SEARCHES, *SINGLES, "abortAnalysis")

QUIRKS = ("other_user", "job_null", "job_stuck", "item_unlisted", "item_vanishes", "item_twice", "stale")
KINDS = (
    *((kind, "") for kind in FaultKind if kind is not FaultKind.QUIRK),
    *((FaultKind.QUIRK, quirk) for quirk in QUIRKS),
)
"""Kinds of faults, and what else this platform does."""


def knobs(chance: random.Random) -> Knobs:
    """Durations in fast seconds; what nobody outside knows of ICA, one way or the other."""
    tight = chance.random() < 0.3
    return Knobs(
        link_seconds=chance.uniform(5, 60),
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
        job_null=chance.random() < 0.2,
        null_lists=chance.random() < 0.2,
        last_page=chance.choice(("empty", "null", "absent")),
        page_order=chance.choice(("stable", "shuffled")),
        token_seconds=chance.choice((120.0, 3600.0)),
        cursor_seconds=chance.choice((2.0, 600.0)),
        requests=chance.randint(100, 300) if tight else 100_000,
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
    kind, quirk = chance.choice(KINDS)
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
            operations = (*seen_badly, "getProjectDataLinkingBatchItems", "getJobs")
        case "item_twice" | "stale":
            operations = (*PAGES, *SEARCHES)
        case _:
            pass
    # What was done and is then denied would be a lie that no one can see through: afterwards only a 5xx is answered.
    statuses = (*OUR_FAULTS, *REFUSALS) if kind is FaultKind.ERROR else OUR_FAULTS
    return Fault(
        kind=kind,
        quirk=quirk,
        operation=chance.choice(operations),
        probability=chance.choice((0.1, 0.3, 0.6)),
        count=chance.choice((None, 1, 5, 20)),
        status=chance.choice(statuses),
        html=chance.random() < 0.3,
        retry_after=chance.choice((None, 1.0, 30.0)),
        seconds=chance.uniform(1, 60),
    )


# ---------------------------------------------------------------- work


def work(chance: random.Random, knobs: Knobs) -> list[Work]:
    # Where the second of two links fails while the first one still runs, a first one that runs for very long cannot be
    # told from a failure: that is said in docs/reliability.md.
    words = tuple(word for word in LINK_WORDS if knobs.link_race == "already" or word != "slow")
    drawn: list[Work] = []
    for number in range(chance.randint(2, 5)):
        job = _links(chance, f"job{number}", words) if chance.random() < 0.4 else _analyses(chance, f"job{number}")
        if drawn and chance.random() < 0.2:
            accept = ["succeeded", "partial", "failed", "cancelled"]
            job.document["after"] = {"jobs": [drawn[-1].name], "accept": accept}
        drawn.append(job)
    return drawn


def _links(chance: random.Random, name: str, words: tuple[str, ...]) -> Work:
    keys = tuple(f"fil.{word(chance, words)}_{name}_{n:04}" for n in range(chance.randint(10, 150)))
    return Work(_job(chance, name, "ica.data_linking") | {"items": [{"dataId": key} for key in keys]}, keys)


def _analyses(chance: random.Random, name: str) -> Work:
    doomed, table = chance.random() < 0.2, chance.random() < 0.3
    words = (*ANALYSIS_WORDS, "stuck") if doomed else ANALYSIS_WORDS
    keys = tuple(f"{name}/s{n}-{word(chance, words)}" for n in range(chance.randint(5, 60)))
    document = _job(chance, name, "ica.analysis_creation") | {"engine": "nextflow"}
    request = {"pipelineId": PIPELINE, "analysisInput": {"inputs": [{"parameterCode": "in", "dataIds": ["fil.0a"]}]}}
    if chance.random() < 0.3:
        document["retry"] = {"attempts": 2, "on": ["FAILED"]}
    if not table:
        document["items"] = [{"userReference": key, **request} for key in keys]
        return Work(document, keys, doomed=doomed)
    document |= {"template": {"userReference": "${reference}", **request}, "table": f"{name}.csv"}
    rows = "".join(f"{key}\n" for key in keys)
    return Work(document, keys, table=f"reference\n{rows}", doomed=doomed)


def _job(chance: random.Random, name: str, kind: str) -> dict[str, Any]:
    job: dict[str, Any] = {"name": name, "kind": kind, "account": "ica", "project": PROJECT}
    job["priority"] = chance.randint(0, 9)
    if chance.random() < 0.2:
        job["max_open"] = chance.randint(5, 50)
    return job
