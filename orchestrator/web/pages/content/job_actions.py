"""What an operator may do with a job: what each action means, and the control that it makes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from orchestrator.domain.lifecycle import RETRIED_STATES
from orchestrator.domain.model import Batch, ItemState, Job
from orchestrator.web.pages.content.formatting import counted

OUT = frozenset({ItemState.SUBMITTED, ItemState.RUNNING, ItemState.ATTENTION})
"""States of items that are on the platform and have not ended."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that an operator may do."""

    name: str
    title: str
    button: str
    is_danger: bool = False


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "cancel": Action("cancel", "Cancel", "Cancel the job", is_danger=True),
        "retry": Action("retry", "Retry", "Retry the items"),
        "pause": Action("pause", "Pause", "Pause"),
        "resume": Action("resume", "Resume", "Resume"),
        "give-up": Action("give-up", "Give up", "Give up", is_danger=True),
        "adopt": Action("adopt", "Adopt", "Adopt the batch"),
    }
)


@dataclass(frozen=True, slots=True)
class Target:
    """The part of a job that an action is about; by default all of it."""

    item: str = ""
    """Key of an item."""
    state: str = ""
    """The state of the items."""
    batch: int = 0
    """Number of a batch; 0: none."""
    remote_id: str = ""
    """What the batch is on the platform."""


def subject_of(action: Action, job: Job, target: Target) -> str:
    """What the action is about, as its question has it."""
    if action.name == "adopt":
        return f"batch {target.batch} of {job.spec.name}"
    return f"{target.item} of {job.spec.name}" if target.item else job.spec.name


def effects_of(action: Action, job: Job, target: Target, batch: Batch | None = None) -> Sequence[str]:
    """What will happen, one sentence each. `batch`: what is adopted."""
    effects: Mapping[str, Callable[[], Sequence[str]]] = {
        "cancel": lambda: _of_cancelling(job),
        "retry": lambda: _of_retrying(target),
        "pause": lambda: ("Nothing more is submitted until you resume the job. Items on the platform continue there.",),
        "resume": lambda: ("The job submits again, also if it had stopped after too many failures.",),
        "give-up": lambda: _of_giving_up(job, target),
        "adopt": lambda: _of_adopting(batch),
    }
    return effects[action.name]()


def _of_cancelling(job: Job) -> Sequence[str]:
    unsent = job.counts.get(ItemState.PENDING, 0)
    out = _open_items(job) - unsent
    return [
        *([f"{counted(unsent, 'item')} not yet submitted: never sent."] if unsent else ()),
        *([f"{counted(out, 'item')} on the platform: aborted there, if the platform can."] if out else ()),
        "Items that have ended keep their state. A cancelled job can be retried.",
    ]


def _of_retrying(target: Target) -> Sequence[str]:
    if target.item:
        return [f"The item {target.item} is submitted again, as a new attempt."]
    return ["Items that did not succeed are submitted again, as new attempts; so are blocked batches."]


def _of_giving_up(job: Job, target: Target) -> Sequence[str]:
    open_items = _open_items(job)
    whole = f"{counted(open_items, 'open item')} of the job {'ends' if open_items == 1 else 'end'}"
    ends = f"The item {target.item} ends" if target.item else whole
    return [
        f"{ends} as failed, given up by you, whatever the platform reports later.",
        "Nothing is aborted on the platform: to have it stopped there, cancel the job first.",
    ]


def _of_adopting(batch: Batch | None) -> Sequence[str]:
    found = f" It has {counted(batch.items, 'item')} and is {batch.state} here." if batch is not None else ""
    return [
        f"The batch is followed on the platform under the id that you enter, and is not submitted again.{found}",
        "The id is that of the batch with the same items, created when this one was submitted; look it up there.",
    ]


def _open_items(job: Job) -> int:
    return sum(count for state, count in job.counts.items() if not state.final)


def control_of(action: Action, job: Job, target: Target) -> Mapping[str, Any]:
    """The control of a queue file that has this done."""
    if action.name == "adopt":
        adoption = {"job": job.spec.name, "batch": target.batch, "remote_id": target.remote_id}
        return {"adopt": adoption}
    control: dict[str, Any] = {action.name: job.spec.name}
    if action.name in ("retry", "give-up") and target.item:
        control["items"] = [target.item]
    elif action.name == "retry" and target.state:
        control["state"] = target.state
    return control


def retried_counts(job: Job) -> Mapping[ItemState, int]:
    """How many items of each state a retry would submit again."""
    return {state: job.counts[state] for state in RETRIED_STATES if job.counts.get(state)}


def may_retry(job: Job) -> bool:
    """Whether there is anything to submit again."""
    return job.state.settled or bool(retried_counts(job)) or job.needs is not None


def may_give_up(job: Job) -> bool:
    """Whether items of the job wait for a platform, or for an operator, that may never answer."""
    return not job.state.settled and (any(job.counts.get(state) for state in OUT) or job.needs is not None)
