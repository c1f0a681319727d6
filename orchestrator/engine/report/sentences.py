"""What the report says in words: the outcome of a job in one sentence, times and durations."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import assert_never

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import ItemState, Job, JobState
from orchestrator.store.reading.history import HistoryEvent

_ENDED: Mapping[ItemState, tuple[str, str]] = MappingProxyType(
    {
        ItemState.PARTIAL: ("was done in part", "were done in part"),
        ItemState.FAILED: ("failed", "failed"),
        ItemState.ABORTED: ("was aborted", "were aborted"),
        ItemState.CANCELLED: ("was not submitted", "were not submitted"),
    }
)
_STEPS: Mapping[str, str] = MappingProxyType(
    {
        "stop": "Stopped",
        "pause": "Paused",
        "resume": "Resumed",
        "cancel": "Cancelled",
        "retry": "Retried",
        "give_up": "Gave up",
        "adopt": "Adopted",
    }
)
_WITH_DETAIL = frozenset({"stop", "retry", "give_up"})
"""Events whose detail says more than their name."""
_UNITS = (("d", 86_400, "h"), ("h", 3600, "min"), ("min", 60, "s"), ("s", 1, ""))
"""Name, seconds, and the name of the next smaller one."""


def headline(job: Job) -> str:
    """How the job ended or how far it is, in one sentence."""
    total, succeeded = sum(job.counts.values()), job.counts.get(ItemState.SUCCEEDED, 0)
    items = f"{total:,} item{'' if total == 1 else 's'}"
    share = f"{succeeded:,} of {items} succeeded"
    match job.state:
        case JobState.SKIPPED:
            text = "Not started: a job that this one depends on did not end as required"
        case JobState.CANCELLED:
            text = f"Cancelled; {share}"
        case JobState.SUCCEEDED:
            text = f"All {items} succeeded" if total > 1 else f"The job succeeded with {items}"
        case JobState.FAILED:
            text = f"None of {items} succeeded{_others(job.counts)}"
        case JobState.PARTIAL:
            text = f"{share}{_others(job.counts)}"
        case JobState.LOADING | JobState.WAITING | JobState.QUEUED:
            text = f"Not started yet: {items}"
        case JobState.RUNNING:
            ended = sum(number for state, number in job.counts.items() if state.final)
            text = f"Still running: {ended:,} of {items} have ended, {succeeded:,} succeeded"
        case never:
            assert_never(never)
    return f"{text}."


def _others(counts: Mapping[ItemState, int]) -> str:
    """`; 3 failed, 1 was aborted`."""
    found = [f"{number:,} {words[number != 1]}" for state, words in _ENDED.items() if (number := counts.get(state, 0))]
    return f"; {', '.join(found)}" if found else ""


def step(event: HistoryEvent) -> str:
    """What an operator did, or why the daemon stopped the job: `Resumed`, `Stopped: 10 items failed`."""
    said = _STEPS.get(event.event, event.event)
    if event.event == "adopt":
        return f"{said} batch {event.batch}"
    detail = (event.detail or "").partition(", by ")[0]  # who did it is said beside it
    return f"{said}: {detail}" if detail and event.event in _WITH_DETAIL else said


def stamp(micros: Micros) -> str:
    """`2026-03-01 09:15:02`, in UTC."""
    return datetime.fromtimestamp(micros // SECOND, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def date(micros: Micros) -> str:
    """`1 March 2026, 09:15`, in UTC."""
    stamp = datetime.fromtimestamp(micros // SECOND, tz=UTC)
    return f"{stamp.day} {stamp:%B %Y, %H:%M}"


def duration(micros: Micros) -> str:
    """`2 d 3 h`, `1 h 15 min`, `4 min 10 s`, `12 s`: the two largest units."""
    seconds = max(0, micros // SECOND)
    large, size, small = next((unit for unit in _UNITS if seconds >= unit[1]), _UNITS[-1])
    number, rest = divmod(seconds, size)
    below = rest // next((each for name, each, _ in _UNITS if name == small), 1)
    return f"{number} {large}" + (f" {below} {small}" if below else "")
