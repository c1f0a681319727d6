"""The state machines of batch, item and job. Decided here, written by `store.advance`, drawn in docs/states.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.model import BatchState, Item, ItemSeen, ItemState, JobState, Stage

# ---------------------------------------------------------------- batches


class BatchEvent(StrEnum):
    """What can happen to a batch."""

    BEGIN = "begin"
    """Its bytes are durable and about to leave."""
    CONFIRM = "confirm"
    """The platform accepted it, now or when it was found later."""
    RELEASE = "release"
    """It had no effect: the request never left, or was declined for the moment."""
    LOSE = "lose"
    """It may have had an effect: the answer was lost."""
    SPLIT = "split"
    """Refused with more than one item: two halves take its place."""
    REFUSE = "refuse"
    """Refused with a single item, which is the bad one."""
    BLOCK = "block"
    """Nothing more can be done without a person."""
    RENEW = "renew"
    """It goes out again under a new key: nothing of it is on the platform, or a person says so."""
    ADOPT = "adopt"
    """A person named the remote batch that it became."""
    SETTLE = "settle"
    """All its items are final."""
    ABANDON = "abandon"
    """Its job was cancelled while nothing of it was on the platform, or while it waited for a person."""
    REOPEN = "reopen"
    """The platform shows it again after it was given up."""


TRANSITIONS: Mapping[tuple[BatchState, BatchEvent], BatchState] = {
    (BatchState.PLANNED, BatchEvent.BEGIN): BatchState.SUBMITTING,
    (BatchState.PLANNED, BatchEvent.ABANDON): BatchState.SETTLED,
    (BatchState.SUBMITTING, BatchEvent.CONFIRM): BatchState.TRACKING,
    (BatchState.SUBMITTING, BatchEvent.RELEASE): BatchState.PLANNED,
    (BatchState.SUBMITTING, BatchEvent.LOSE): BatchState.UNCONFIRMED,
    (BatchState.SUBMITTING, BatchEvent.SPLIT): BatchState.SETTLED,
    (BatchState.SUBMITTING, BatchEvent.REFUSE): BatchState.SETTLED,
    (BatchState.SUBMITTING, BatchEvent.BLOCK): BatchState.BLOCKED,
    (BatchState.UNCONFIRMED, BatchEvent.BEGIN): BatchState.SUBMITTING,
    (BatchState.UNCONFIRMED, BatchEvent.CONFIRM): BatchState.TRACKING,
    (BatchState.UNCONFIRMED, BatchEvent.RENEW): BatchState.PLANNED,
    (BatchState.UNCONFIRMED, BatchEvent.BLOCK): BatchState.BLOCKED,
    (BatchState.UNCONFIRMED, BatchEvent.ADOPT): BatchState.TRACKING,
    (BatchState.TRACKING, BatchEvent.SETTLE): BatchState.SETTLED,
    (BatchState.TRACKING, BatchEvent.BLOCK): BatchState.BLOCKED,
    (BatchState.BLOCKED, BatchEvent.RENEW): BatchState.PLANNED,
    (BatchState.BLOCKED, BatchEvent.ADOPT): BatchState.TRACKING,
    (BatchState.BLOCKED, BatchEvent.ABANDON): BatchState.SETTLED,
    (BatchState.BLOCKED, BatchEvent.REOPEN): BatchState.TRACKING,
}


class IllegalTransitionError(OrchestratorError):
    """A batch was told something that cannot happen in its state: a bug of ours, never written."""


def next_batch_state(state: BatchState, event: BatchEvent) -> BatchState:
    """The state after `event`; raises IllegalTransitionError where the table has none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(f"a {state} batch cannot {event}") from None


# ---------------------------------------------------------------- items


@dataclass(frozen=True, slots=True)
class Same:
    """Nothing new was said."""


@dataclass(frozen=True, slots=True)
class Change:
    """The item moves on; the fields are what it becomes."""

    stage: Stage
    state: ItemState
    status: str | None
    remote_id: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The platform's word contradicts an outcome that it gave before: counted and shown, never applied."""

    status: str


Decision = Same | Change | Contradiction


def decide(item: Item, seen: ItemSeen) -> Decision:
    """What one observation means for one item.

    A creation says nothing about an analysis that is already known. A hint (a word that may be stale) may tell that an
    analysis exists and that it moves; it never ends one and never contradicts.
    """
    if item.state.final:
        stale = seen.hint or seen.state is item.state or seen.stage is Stage.CREATION is not item.stage
        return Same() if stale or not _speaks_of(item, seen) else Contradiction(seen.status)
    if seen.stage is Stage.CREATION and item.stage is Stage.ANALYSIS:
        return Contradiction(seen.status) if seen.state is ItemState.FAILED else Same()
    change = Change(
        stage=seen.stage,
        state=seen.state,
        status=seen.status,
        remote_id=seen.remote_id or item.remote_id,
        detail=seen.detail,
    )
    if seen.hint and seen.state.final:
        change = _without_outcome(item, change)
    return Same() if change == _as_change(item) else change


def _speaks_of(item: Item, seen: ItemSeen) -> bool:
    """A word about an earlier attempt's object is no word about this one."""
    return not (seen.remote_id and item.remote_id and seen.remote_id != item.remote_id)


def _without_outcome(item: Item, change: Change) -> Change:
    """Keep what a stale word tells for certain, that the object exists and which one it is."""
    if item.stage is change.stage and item.remote_id:
        return _as_change(item)
    return Change(change.stage, ItemState.SUBMITTED, None, change.remote_id, None)


def _as_change(item: Item) -> Change:
    return Change(item.stage, item.state, item.status, item.remote_id, item.detail)


def first_stage(kind: str) -> Stage:
    """What the first word about an item of this kind will speak of."""
    return Stage.LINK if kind == "ica.data_linking" else Stage.CREATION


# ---------------------------------------------------------------- jobs


def outcome_of(counts: Mapping[ItemState, int], *, cancelled: bool) -> JobState:
    """What a job whose items are all final came to."""
    succeeded, partial = counts.get(ItemState.SUCCEEDED, 0), counts.get(ItemState.PARTIAL, 0)
    total = sum(counts.values())
    if cancelled:
        return JobState.CANCELLED
    if succeeded == total:
        return JobState.SUCCEEDED
    if succeeded == 0 and partial == 0:
        return JobState.FAILED
    return JobState.PARTIAL


# ---------------------------------------------------------------- the drawing


def draw() -> str:
    """The batch machine as a Mermaid diagram; docs/states.md holds it, and a test compares."""
    arrows = [f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> planned", *arrows, "    settled --> [*]"])
