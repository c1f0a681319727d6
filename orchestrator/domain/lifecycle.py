"""The state machines of batch, item and job. `store.advance` writes the states; docs/states.md has the diagram."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.model import CREATION, BatchState, Item, ItemReport, ItemState, JobState, Stage

RETRIED_STATES = (ItemState.FAILED, ItemState.ABORTED, ItemState.PARTIAL, ItemState.CANCELLED)
"""The states of items that `retry` sends again by default."""
ADOPTABLE_STATES = (BatchState.UNCONFIRMED, BatchState.BLOCKED)
"""The states of a batch that may be on the platform under an id that the daemon does not know: `adopt` names it."""

# ---------------------------------------------------------------- batches


class BatchEvent(StrEnum):
    """What can happen to a batch."""

    BEGIN = "begin"
    """Its request is stored and about to be sent."""
    CONFIRM = "confirm"
    """The platform accepted it, or it was found later."""
    RELEASE = "release"
    """It had no effect: the request was not sent, or was throttled."""
    LOSE = "lose"
    """It may have had an effect: the response was lost."""
    SPLIT = "split"
    """Refused with more than one item, or without response and not found: two halves replace it."""
    REFUSE = "refuse"
    """Refused with a single item, which is the bad one."""
    BLOCK = "block"
    """The operator must act."""
    RENEW = "renew"
    """It is sent again under a new key: the platform does not have it, or the operator says so."""
    INQUIRE = "inquire"
    """An earlier send, perhaps by an earlier database, may have had its effect: it is reconciled first."""
    ADOPT = "adopt"
    """The operator named its remote batch."""
    SETTLE = "settle"
    """All its items are final."""
    ABANDON = "abandon"
    """Its job was cancelled while nothing of it was on the platform, or the operator gave it up."""
    REOPEN = "reopen"
    """The platform shows it again after it was given up."""
    PROCEED = "proceed"
    """The platform accepted one step of its submission: the next one is composed from what is known now."""
    FOLLOW = "follow"
    """There is nothing to send: what its items name is followed from now on."""


TRANSITIONS: Mapping[tuple[BatchState, BatchEvent], BatchState] = {
    (BatchState.PLANNED, BatchEvent.BEGIN): BatchState.SUBMITTING,
    (BatchState.PLANNED, BatchEvent.BLOCK): BatchState.BLOCKED,
    (BatchState.PLANNED, BatchEvent.ABANDON): BatchState.SETTLED,
    (BatchState.PLANNED, BatchEvent.INQUIRE): BatchState.UNCONFIRMED,
    (BatchState.PLANNED, BatchEvent.FOLLOW): BatchState.TRACKING,
    (BatchState.SUBMITTING, BatchEvent.CONFIRM): BatchState.TRACKING,
    (BatchState.SUBMITTING, BatchEvent.RELEASE): BatchState.PLANNED,
    (BatchState.SUBMITTING, BatchEvent.PROCEED): BatchState.PLANNED,
    (BatchState.SUBMITTING, BatchEvent.RENEW): BatchState.PLANNED,
    (BatchState.SUBMITTING, BatchEvent.LOSE): BatchState.UNCONFIRMED,
    (BatchState.SUBMITTING, BatchEvent.SPLIT): BatchState.SETTLED,
    (BatchState.SUBMITTING, BatchEvent.REFUSE): BatchState.SETTLED,
    (BatchState.SUBMITTING, BatchEvent.BLOCK): BatchState.BLOCKED,
    (BatchState.UNCONFIRMED, BatchEvent.BEGIN): BatchState.SUBMITTING,
    (BatchState.UNCONFIRMED, BatchEvent.CONFIRM): BatchState.TRACKING,
    (BatchState.UNCONFIRMED, BatchEvent.RENEW): BatchState.PLANNED,
    (BatchState.UNCONFIRMED, BatchEvent.PROCEED): BatchState.PLANNED,
    (BatchState.UNCONFIRMED, BatchEvent.SPLIT): BatchState.SETTLED,
    (BatchState.UNCONFIRMED, BatchEvent.BLOCK): BatchState.BLOCKED,
    (BatchState.UNCONFIRMED, BatchEvent.ADOPT): BatchState.TRACKING,
    (BatchState.UNCONFIRMED, BatchEvent.ABANDON): BatchState.SETTLED,
    (BatchState.TRACKING, BatchEvent.SETTLE): BatchState.SETTLED,
    (BatchState.TRACKING, BatchEvent.BLOCK): BatchState.BLOCKED,
    (BatchState.TRACKING, BatchEvent.ABANDON): BatchState.SETTLED,
    (BatchState.BLOCKED, BatchEvent.RENEW): BatchState.PLANNED,
    (BatchState.BLOCKED, BatchEvent.INQUIRE): BatchState.UNCONFIRMED,
    (BatchState.BLOCKED, BatchEvent.ADOPT): BatchState.TRACKING,
    (BatchState.BLOCKED, BatchEvent.ABANDON): BatchState.SETTLED,
    (BatchState.BLOCKED, BatchEvent.REOPEN): BatchState.TRACKING,
}


class IllegalTransitionError(OrchestratorError):
    """An event is not possible in the state of a batch; nothing is written.

    Either the state changed after it was read, for example by a cancellation, or it is a bug.
    """


def next_batch_state(state: BatchState, event: BatchEvent) -> BatchState:
    """The state after `event`; raises IllegalTransitionError where the table has none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(f"a {state} batch cannot {event}") from None


# ---------------------------------------------------------------- items

GIVEN_UP = "given up by "
"""The beginning of the detail of an item that the operator gave up."""


def is_given_up(item: Item) -> bool:
    """Whether the operator gave up this item."""
    return item.state is ItemState.FAILED and (item.detail or "").startswith(GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Same:
    """The report changes nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """The item changes; the fields are its new values."""

    stage: Stage
    state: ItemState
    status: str | None
    remote_id: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The report contradicts a final outcome, or names a second remote object for the same item.

    Counted and logged, never applied.
    """

    status: str | None


Decision = Same | Change | Contradiction


def decide(item: Item, seen: ItemReport) -> Decision:
    """Decide how a report changes an item.

    A report of the creation says nothing about an object that is already known. A hint (a status that may be stale)
    may show that an object exists and that its work has begun; it never turns a state back, never ends an item and
    never contradicts.
    """
    if seen.hint and (item.state.final or _another_object(item, seen)):
        return Same()
    if _another_object(item, seen):
        return Contradiction(seen.status)
    if item.state.final:
        goes_on = is_given_up(item) and not seen.state.final  # no outcome yet, so nothing is contradicted
        stale = goes_on or seen.state is item.state or seen.stage == CREATION != item.stage or seen.by_children
        return Same() if stale else Contradiction(seen.status)
    if seen.stage == CREATION != item.stage:
        return Contradiction(seen.status) if seen.state is ItemState.FAILED and not seen.hint else Same()
    change = _hinted(item, seen) if seen.hint else _said(item, seen)
    return Same() if change == _as_change(item) else change


def _another_object(item: Item, seen: ItemReport) -> bool:
    """Whether the report is about another remote object than the item's."""
    return bool(seen.remote_id and item.remote_id and seen.remote_id != item.remote_id)


def _said(item: Item, seen: ItemReport) -> Change:
    return Change(seen.stage, seen.state, seen.status, seen.remote_id or item.remote_id, seen.detail)


def _hinted(item: Item, seen: ItemReport) -> Change:
    """The change by a hint: the remote id, and progress up to running.

    The item's own status is from a better source, and two sources must not overwrite each other's.
    """
    said = _said(item, seen)
    if seen.state.final:
        said = replace(said, state=ItemState.SUBMITTED, status=None, detail=None)
    if item.stage == seen.stage and _HOW_FAR[said.state] <= _HOW_FAR[item.state]:
        return replace(_as_change(item), remote_id=said.remote_id)
    return said


_HOW_FAR: Mapping[ItemState, int] = MappingProxyType(
    {ItemState.PENDING: 0, ItemState.SUBMITTED: 1, ItemState.RUNNING: 2, ItemState.ATTENTION: 2}
)


def _as_change(item: Item) -> Change:
    return Change(item.stage, item.state, item.status, item.remote_id, item.detail)


def outcome_of_children(states: Mapping[ItemState, int]) -> ItemState:
    """The final state of an item that is what was found under it; `states` counts those items."""
    good = states.get(ItemState.SUCCEEDED, 0)
    if good == sum(states.values()):
        return ItemState.SUCCEEDED
    return ItemState.PARTIAL if good or states.get(ItemState.PARTIAL, 0) else ItemState.FAILED


# ---------------------------------------------------------------- jobs


def cancelling(open_items: int) -> str:
    """The detail of a cancelled job of which so many items are not final yet."""
    items = "1 item is" if open_items == 1 else f"{open_items} items are"
    return f"being cancelled: {items} still to end on the platform"


def outcome_of(counts: Mapping[ItemState, int], *, cancelled: bool) -> JobState:
    """The final state of a job whose items are all final."""
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
    """The batch state machine as a Mermaid diagram; a test compares it with docs/states.md."""
    arrows = [f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> planned", *arrows, "    settled --> [*]"])
