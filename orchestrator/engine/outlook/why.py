"""Why a job has not settled: what it waits for, since when and because of whom, and when it is expected to end.

The command line, the API and the page show the same. What only a running daemon knows of the account (budget, next
poll, last request) is left out where none runs.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.clock import Micros
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.model import BatchId, BatchState, ItemState, Job, JobState, Needs
from orchestrator.domain.units import format_duration, rfc3339
from orchestrator.engine.outlook.expected_end import expected_ends
from orchestrator.engine.result_document import when
from orchestrator.platforms.http.contact import LatestRequest
from orchestrator.platforms.rate_limit.limiter import Lane, LimiterView
from orchestrator.store.reading.open_work import MOST_READ, LiveBatch, LiveWork
from orchestrator.store.store import Store

_MOST_NAMED = 3
"""Batches of a kind that are named; the others are counted."""
_OUT = (ItemState.SUBMITTED, ItemState.RUNNING, ItemState.ATTENTION)


class WaitsFor(StrEnum):
    """What a job may wait for."""

    AFTER = "after"
    PAUSED = "paused"
    STOPPED = "stopped"
    BLOCKED = "blocked"
    ATTENTION = "attention"
    CANCELLING = "cancelling"
    ACCOUNT = "account"
    MAX_OPEN = "max_open"
    OPEN_ITEMS = "open_items"
    BUDGET = "budget"
    RETRY = "retry"
    UNCONFIRMED = "unconfirmed"
    SUBMISSION = "submission"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that a job waits for."""

    waits_for: WaitsFor
    text: str
    since: Micros | None = None
    by: str | None = None
    """The id of the user who caused it; None where the daemon or the platform did."""


@dataclass(frozen=True, slots=True)
class AccountNow:
    """What the running daemon knows of the account of a job."""

    budget: LimiterView
    next_poll: Callable[[Collection[BatchId]], Micros | None]
    """When the next poll of any of these batches is due."""
    closed_because: str | None = None
    refusal: str | None = None
    closed_since: Micros | None = None
    latest_request: LatestRequest | None = None
    last_error: str | None = None
    """Of the steps of the account that failed last time."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why a job has not settled."""

    reasons: Sequence[Reason]
    """Those that need an operator come first; none for a settled job."""
    unchanged_since: Micros | None = None
    next_poll: Micros | None = None
    latest_request: LatestRequest | None = None
    last_error: str | None = None
    expected_end: Micros | None = None


async def why(store: Store, job: Job, *, open_items: int | None, account: AccountNow | None, now: Micros) -> Why:
    """Find out what a job waits for.

    Args:
        store: may be open for reading only.
        job: as it was read.
        open_items: how many items its account may have on the platform; None for an account that is not configured.
        account: None where no daemon runs.
        now: microseconds UTC.
    """
    if job.state.settled:
        return Why(())
    work = await store.open_work.live_work(job)
    reasons = [
        *await _awaited(store, job),
        *await _held(store, job),
        *_at_the_platform(job, work),
        *_closed(account),
        *await _full(store, job, open_items),
        *_short_of_budget(account, work),
        *_delayed(work.planned, now),
    ]
    reasons.sort(key=lambda reason: list(WaitsFor).index(reason.waits_for))
    if not reasons and job.state is not JobState.WAITING:
        reasons = [Reason(WaitsFor.SUBMISSION, _turn(work.planned))]
    limits = {job.spec.account: open_items} if open_items is not None else {}
    out = [batch.id for batch in work.tracked]
    return Why(
        reasons,
        unchanged_since=await store.standstill.unchanged_since(job),
        next_poll=account.next_poll(out) if account is not None and out else None,
        latest_request=account.latest_request if account is not None else None,
        last_error=work.last_error or (account.last_error if account is not None else None),
        expected_end=(await expected_ends(store, [job], limits, now)).get(job.id),
    )


def describe_why(job: Job, found: Why) -> dict[str, Any]:
    """The document of `GET /api/v1/jobs/{name}/why` and `show --why --json`."""
    latest = found.latest_request
    return {
        "name": job.spec.name,
        "state": job.state,
        "needs": job.needs,
        "reasons": [
            {"waits_for": each.waits_for, "text": each.text, "since": when(each.since), "by": each.by}
            for each in found.reasons
        ],
        "unchanged_since": when(found.unchanged_since),
        "next_poll": when(found.next_poll),
        "last_request": {"at": when(latest.at), "route": latest.route, "outcome": latest.outcome} if latest else None,
        "last_error": found.last_error,
        "expected_end": when(found.expected_end),
    }


async def awaited(store: Store, job: Job) -> str | None:
    """The jobs that one waits for, each with its state: `a: succeeded, b: no such job yet (required: …)`."""
    names, after = job.spec.waits_for, job.spec.after
    if not names:
        return None
    known = await store.jobs.known(names)
    found = {name: known.get(name.casefold()) for name in names}
    states = ", ".join(f"{name}: {each.state if each else 'no such job yet'}" for name, each in found.items())
    return f"{states} (required: {' or '.join(sorted(after.accept))})" if after else states


async def _awaited(store: Store, job: Job) -> list[Reason]:
    text = await awaited(store, job) if job.state is JobState.WAITING else None
    return [Reason(WaitsFor.AFTER, text, job.created_at)] if text is not None else []


async def _held(store: Store, job: Job) -> list[Reason]:
    holds = await store.open_work.holds(job)
    held = ((WaitsFor.PAUSED, Needs.PAUSED, holds.paused), (WaitsFor.STOPPED, Needs.STOPPED, holds.stopped))
    return [
        Reason(kind, f"{_as_it_is_now(job, needs) or hold.reason}: `resume`", hold.since, hold.by)
        for kind, needs, hold in held
        if hold is not None
    ]


def _as_it_is_now(job: Job, needs: Needs) -> str | None:
    """The reason of a hold where the job's detail is about it: that one counts on what fails after the stop."""
    return job.detail if job.needs is needs else None


def _at_the_platform(job: Job, work: LiveWork) -> Iterator[Reason]:
    blocked = [batch for batch in work.doubtful if batch.state is BatchState.BLOCKED]
    if blocked:
        yield Reason(WaitsFor.BLOCKED, _listed((f"batch {batch.number}: {batch.detail}" for batch in blocked), blocked))
    elif job.needs is Needs.BLOCKED:  # it could not be planned: there are no batches yet
        yield Reason(WaitsFor.BLOCKED, job.detail or "it cannot be planned")
    asked = job.counts.get(ItemState.ATTENTION, 0)
    if asked:
        yield Reason(WaitsFor.ATTENTION, f"{counted(asked, 'item')} at the platform: it waits for an operator there")
    out = _items_out(job, work)
    if job.cancelled_at is not None:
        yield Reason(WaitsFor.CANCELLING, f"the end of {counted(out, 'item')} on the platform", job.cancelled_at)
    elif out > asked:
        yield Reason(WaitsFor.PLATFORM, f"the end of {counted(out - asked, 'item')} on the platform")
    unsure = [batch for batch in work.doubtful if batch.state is BatchState.UNCONFIRMED]
    if unsure:
        texts = (f"batch {batch.number}: {batch.last_error or 'the response was lost'}" for batch in unsure)
        yield Reason(WaitsFor.UNCONFIRMED, f"the outcome of {_listed(texts, unsure)}")


def _items_out(job: Job, work: LiveWork) -> int:
    """How many items are, or may be, on the platform; from the counts of the job where not all batches were read."""
    unanswered = sum(batch.open for batch in work.doubtful if batch.state is not BatchState.BLOCKED)
    if len(work.tracked) < MOST_READ:
        return unanswered + sum(batch.open for batch in work.tracked)
    return unanswered + sum(job.counts.get(state, 0) for state in _OUT)


def _closed(account: AccountNow | None) -> Iterator[Reason]:
    if account is not None and account.refusal is not None:
        text = f"the account is closed ({account.closed_because}): {account.refusal}"
        yield Reason(WaitsFor.ACCOUNT, text, account.closed_since)


async def _full(store: Store, job: Job, open_items: int | None) -> list[Reason]:
    full = await store.standstill.waits_for(job, open_items) if open_items is not None else None
    return [Reason(WaitsFor(full.name), full.text)] if full is not None else []


def _short_of_budget(account: AccountNow | None, work: LiveWork) -> Iterator[Reason]:
    if account is None or not (work.doubtful or work.planned or work.tracked):
        return
    budget = account.budget
    if budget.closed_for > 0:
        yield Reason(WaitsFor.BUDGET, f"the platform accepts no request for {format_duration(budget.closed_for)}")
    elif budget.free <= 0 and any(lane.waiting for lane in budget.lanes.values()):
        waiting = ", ".join(f"{lane.value} {budget.lanes[lane].waiting}" for lane in Lane if lane in budget.lanes)
        text = (
            f"{budget.used} of {budget.limit} requests in {format_duration(budget.window)} are used; waiting: {waiting}"
        )
        yield Reason(WaitsFor.BUDGET, text)


def _delayed(planned: Sequence[LiveBatch], now: Micros) -> Iterator[Reason]:
    """Planned batches that failed on our side or were declined, and go out again later."""
    delayed = [batch for batch in planned if batch.due_at > now]
    if delayed:
        texts = (f"batch {each.number} at {rfc3339(each.due_at)}: {each.last_error or 'delayed'}" for each in delayed)
        yield Reason(WaitsFor.RETRY, f"the next attempt of {_listed(texts, delayed)}")


def _turn(planned: Sequence[LiveBatch]) -> str:
    least = "at least " if len(planned) >= MOST_READ else ""
    return f"its turn: {least}{counted(len(planned), 'batch')} to submit"


def _listed(texts: Iterator[str], among: Sequence[LiveBatch]) -> str:
    more = len(among) - _MOST_NAMED
    named = "; ".join(text for text, _ in zip(texts, range(_MOST_NAMED), strict=False))
    least = "at least " if len(among) >= MOST_READ else ""
    return f"{named} (and {least}{more} more)" if more > 0 else named
