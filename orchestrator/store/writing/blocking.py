"""Batches that wait for the operator, and what a control of the operator makes of them.

Each function is the inside of one transaction. What is known to run on the platform is never sent again and always
followed; what may be there is searched for before it is sent again.
"""

from collections.abc import Sequence

from orchestrator.domain.lifecycle import BatchEvent
from orchestrator.domain.lost_responses import is_unforgotten
from orchestrator.domain.model import CREATION, Batch, BatchState, Item, ItemState
from orchestrator.domain.submission import Resend
from orchestrator.store.writing.planning import Origin, items_of, send_again
from orchestrator.store.writing.submitting import end, make_pending, renew
from orchestrator.store.writing.unit_of_work import NOTHING_TO_SEND, UnitOfWork

NO_LONGER_FOLLOWED = "no longer followed"
"""The detail of an item of which nothing was sent."""


async def stop_following(unit: UnitOfWork, batch: Batch) -> None:
    """Stop following a batch of a cancelled job; what it follows continues on the platform."""
    await unit.move(batch, BatchEvent.ABANDON)
    await end(unit, batch, await items_of(unit, batch, open_only=True), ItemState.CANCELLED, NO_LONGER_FOLLOWED)


async def block(unit: UnitOfWork, batch: Batch, detail: str, *, not_there: bool = False) -> None:
    # A search before the batch was confirmed shows nothing about what became of it since.
    anew: dict[str, object] = {"searched_at": None} if batch.state is BatchState.TRACKING else {}
    if not_there:
        anew["in_doubt"] = False
    await unit.move(batch, BatchEvent.BLOCK, note=detail, detail=detail, **anew)
    if batch.cancelled:  # the operator has decided already
        blocked = await unit.batch(batch.id)
        await (give_up if batch.state is BatchState.TRACKING else stop)(unit, blocked)


async def give_up(unit: UnitOfWork, batch: Batch) -> None:
    """End a blocked batch of a cancelled job, of which nothing more will be reported."""
    await unit.move(batch, BatchEvent.ABANDON)
    await _end_unknown(unit, batch, await items_of(unit, batch, open_only=True))


async def stop(unit: UnitOfWork, batch: Batch) -> None:
    """Cancel a blocked batch: what is known to be on the platform is followed until it is stopped there."""
    held = await items_of(unit, batch, open_only=True)
    if not any(_is_there(batch, item) for item in held):
        await give_up(unit, batch)
        return
    await _follow_on(unit, batch)
    await _end_unknown(unit, batch, [item for item in held if not _is_there(batch, item)])


async def call_off(unit: UnitOfWork, batch: Batch) -> None:
    """Cancel a blocked batch, after a search where it is unknown whether it is on the platform."""
    held = await items_of(unit, batch, open_only=True)
    if batch.in_doubt and batch.searched_at is None and not any(_is_there(batch, item) for item in held):
        await _inquire(unit, batch, held)
    else:
        await stop(unit, batch)


async def _end_unknown(unit: UnitOfWork, batch: Batch, held: Sequence[Item]) -> None:
    """End items as `aborted` if they may be on the platform, as `cancelled` otherwise."""
    if batch.resend is Resend.FOLLOW_ONLY:
        await end(unit, batch, held, ItemState.CANCELLED, NO_LONGER_FOLLOWED)
    elif batch.in_doubt or batch.submitted_at is not None:
        reason = "cancelled while its outcome was unknown: it may be on the platform, check there"
        await end(unit, batch, held, ItemState.ABORTED, reason)
    else:
        await end(unit, batch, held, ItemState.CANCELLED, None)


async def start_over(unit: UnitOfWork, batch: Batch) -> None:
    """Send a blocked batch again, as the operator asked: under a new key, without what is known to be on the platform.

    Where an earlier send may have had an effect and was not searched for yet, that search comes first.
    """
    held = [item for item in await items_of(unit, batch) if item.parent is None]
    was_there = batch.submitted_at is not None and batch.resend is not Resend.HARMLESS
    if batch.searched_at is None and (batch.in_doubt or was_there):
        await _inquire(unit, batch, held)
        return
    if not any(item.remote_id or item.state.final for item in held):
        await renew(unit, batch)
        return
    goes_on = [item for item in held if not item.state.final]
    if any(_is_there(batch, item) for item in goes_on):
        await _follow_on(unit, batch)
    else:
        await unit.move(batch, BatchEvent.ABANDON)
    unknown = [item for item in goes_on if not _is_there(batch, item)]
    if unknown:
        await send_again(unit, Origin.of(batch), unknown)


async def _inquire(unit: UnitOfWork, batch: Batch, held: Sequence[Item]) -> None:
    """Reconcile it. The key of a confirmed batch would only return the batch that the platform no longer shows.

    What its key protects permanently may be sent as often as at first: it was blocked for its many sends.
    """
    void = batch.key_void or batch.submitted_at is not None
    sends = 0 if is_unforgotten(batch) else batch.sends
    await unit.move(batch, BatchEvent.INQUIRE, detail=None, due_at=0, in_doubt=True, key_void=void, sends=sends)
    unknown = [item for item in held if not item.state.final and not _is_there(batch, item)]
    await make_pending(unit, batch, unknown)


async def _follow_on(unit: UnitOfWork, batch: Batch) -> None:
    """Poll the batch again, as part of it is known to be on the platform."""
    await unit.move(
        batch,
        BatchEvent.REOPEN,
        detail=None,
        last_error=None,
        in_doubt=False,
        submitted_at=batch.submitted_at or unit.now,
        **NOTHING_TO_SEND,
    )


def _is_there(batch: Batch, item: Item) -> bool:
    """Whether an item continues on the platform by itself, as far as the database shows."""
    its_own = batch.resend is not Resend.HARMLESS and item.stage != CREATION
    return its_own and item.remote_id is not None and not item.state.final
