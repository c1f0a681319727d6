"""What a round meets, drawn from its seed: the platform's ways, its faults, the work, the moments of the kills."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.crashpoints import Point
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.ica import Knobs

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

OUR_FAULTS = (500, 502, 503, 504)
REFUSALS = (400, 401, 403, 404, 409, 413, 422, 429)


@dataclass(frozen=True)
class Work:
    """One job to be dropped."""

    document: dict[str, Any]
    keys: tuple[str, ...]
    table: str | None = None
    """The text of its table; the document names it."""
    doomed: bool = False
    """It will be cancelled."""

    @property
    def name(self) -> str:
        name: str = self.document["name"]
        return name

    @property
    def links(self) -> bool:
        return self.document["kind"] == "ica.data_linking"

    @property
    def attempts(self) -> int:
        retry: dict[str, int] = self.document.get("retry", {})
        return retry.get("attempts", 1)


@dataclass(frozen=True)
class Kill:
    """When a daemon dies: so many seconds after it began to work, or at a named moment if that comes first."""

    after: float
    early: bool = False
    """Count from the start of the process instead: it may die before it has begun."""
    point: str | None = None


@dataclass
class Plan:
    """Everything that the seed decides."""

    seed: int
    knobs: Knobs
    account: Mapping[str, Any]
    work: Sequence[Work]
    kills: Sequence[Kill]
    faults: Sequence[Sequence[Fault]]
    """The rules in force until the n-th kill."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Files that must be rejected."""

    @classmethod
    def draw(cls, seed: int, *, kills: int, faults: int) -> "Plan":
        """`kills` in a round and `faults` rules at a time, on average."""
        chance = random.Random(seed)
        deaths = [_kill(chance) for _ in range(chance.randint(max(1, kills // 2), kills + kills // 2))]
        knobs = _knobs(chance)
        seen_badly = chance.choice((PAGES, SEARCHES))
        rules = [[_fault(chance, seen_badly) for _ in range(chance.randint(faults // 2, faults * 2))] for _ in deaths]
        return cls(
            seed=seed,
            knobs=knobs,
            account=_account(chance, knobs),
            work=_work(chance, knobs),
            kills=deaths,
            faults=rules,
            broken={"broken.yaml": "version: 1\njobs: nonsense\n"} if chance.random() < 0.5 else {},
        )


def _knobs(chance: random.Random) -> Knobs:
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


def _account(chance: random.Random, knobs: Knobs) -> dict[str, Any]:
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


# ---------------------------------------------------------------- faults


def _fault(chance: random.Random, seen_badly: tuple[str, ...]) -> Fault:
    """Of any kind, on the calls that it can befall.

    A platform that hides the same analysis from its pages and from its searches has accepted what it never shows: no
    client can help that, so a round hides rows from one of the two only.
    """
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


def _work(chance: random.Random, knobs: Knobs) -> list[Work]:
    # Where the second of two links fails while the first one still runs, a first one that runs for very long cannot be
    # told from a failure: that is said in docs/reliability.md.
    words = tuple(word for word in LINK_WORDS if knobs.link_race == "already" or word != "slow")
    work: list[Work] = []
    for number in range(chance.randint(2, 5)):
        job = _links(chance, f"job{number}", words) if chance.random() < 0.4 else _analyses(chance, f"job{number}")
        if work and chance.random() < 0.2:
            accept = ["succeeded", "partial", "failed", "cancelled"]
            job.document["after"] = {"jobs": [work[-1].name], "accept": accept}
        work.append(job)
    return work


def _links(chance: random.Random, name: str, words: tuple[str, ...]) -> Work:
    keys = tuple(f"fil.{_word(chance, words)}_{name}_{n:04}" for n in range(chance.randint(10, 150)))
    return Work(_job(chance, name, "ica.data_linking") | {"items": [{"dataId": key} for key in keys]}, keys)


def _analyses(chance: random.Random, name: str) -> Work:
    doomed, table = chance.random() < 0.2, chance.random() < 0.3
    words = (*ANALYSIS_WORDS, "stuck") if doomed else ANALYSIS_WORDS
    keys = tuple(f"{name}/s{n}-{_word(chance, words)}" for n in range(chance.randint(5, 60)))
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


def _word(chance: random.Random, words: tuple[str, ...]) -> str:
    return chance.choice(words) if chance.random() < 0.15 else "x"


# ---------------------------------------------------------------- kills


def _kill(chance: random.Random) -> Kill:
    match chance.random():
        case share if share < 0.1:
            return Kill(chance.uniform(0.3, 1.5), early=True)
        case share if share < 0.5:
            return Kill(3.0, point=f"{chance.choice(list(Point))}:{chance.choice((1, 1, 2, 3, 7))}")
        case _:
            return Kill(chance.uniform(0.0, 2.5))
