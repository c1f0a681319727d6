"""The only way to change the states of items and batches, and of jobs once they are real.

Each method is one transaction: the change, what follows from it, and its events, or nothing at all. A change that
cannot happen raises `IllegalTransitionError` and leaves everything as it was. Killed before a method returns, either
all of it is there or nothing; called again after that, it either finds its change made or is refused as illegal.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, ParamSpec

from orchestrator.clock import Micros
from orchestrator.domain.details import bounded_receipt
from orchestrator.domain.model import (
    Batch,
    BatchId,
    BatchKey,
    BatchState,
    Item,
    ItemReport,
    JobId,
    Learned,
    Observation,
    Receipt,
)
from orchestrator.domain.submission import Submission
from orchestrator.store.changes import Broken, Moved, Observed
from orchestrator.store.errors import DamagedError, StoreUnavailableError
from orchestrator.store.reading.rows import SELECT_BATCH_TO_SEND, batch_of
from orchestrator.store.schema import LIVE_BATCH, batches, literal
from orchestrator.store.writing import blocking, refusals, submitting, unlisted
from orchestrator.store.writing.compare import compare
from orchestrator.store.writing.controls.actions import ControlActions
from orchestrator.store.writing.jobs.settling import settle
from orchestrator.store.writing.reports import apply, ended_in
from orchestrator.store.writing.unit_of_work import UnitOfWork

_Given = ParamSpec("_Given")


class Advance(ControlActions):
    """Moves batches, items and jobs on."""

    # ------------------------------------------------------------ submitting

    async def begin(
        self, batch: Batch, submission: Submission, *, user: str, now: Micros, server_now: Micros | None = None
    ) -> Batch:
        """The batch is about to leave; returns it with the submission to send, byte for byte.

        Bytes already stored under this key are kept, whatever `submission` says. `server_now` is the platform's own
        time, for the age of the key, where it is known.

        Raises:
            IllegalTransitionError: meanwhile it changed, or its job was held or cancelled; nothing leaves.
        """

        async def act(unit: UnitOfWork, current: Batch) -> None:
            submitting.as_chosen(current, batch)
            await submitting.begin(unit, current, submission, user, server_now)

        moved = await self._step(batch.id, now, act)
        return moved.batch

    async def follow(self, batch: Batch, *, now: Micros) -> Moved:
        """There is nothing to send: what its items name is followed from now on.

        Raises:
            IllegalTransitionError: meanwhile it went another way, or its job was paused, stopped or cancelled.
        """
        return await self._step(batch.id, now, submitting.follow)

    async def proceed(self, batch: Batch, receipt: Receipt, *, now: Micros) -> Moved:
        """The platform has one step of the submission: the next is composed when the batch goes out again."""
        return await self._step(batch.id, now, submitting.proceed, bounded_receipt(receipt))

    async def confirm(self, batch: Batch, receipt: Receipt, *, now: Micros) -> Moved:
        """The platform accepted it, or it was found there. Said twice, it changes nothing."""
        return await self._step(batch.id, now, submitting.confirm, bounded_receipt(receipt))

    async def confirm_partly(self, batch: Batch, receipt: Receipt, *, now: Micros) -> Moved:
        """Only these items were found: the others are planned anew; raises StoreError where none was found."""
        return await self._step(batch.id, now, submitting.confirm_partly, bounded_receipt(receipt))

    async def release(self, batch: Batch, detail: str, *, due_at: Micros, now: Micros) -> Moved:
        """This send had no effect: it goes out again, not before `due_at`.

        A batch of which an earlier send was lost stays unconfirmed: that one may still have had its effect.
        """
        return await self._step(batch.id, now, submitting.release, detail, due_at)

    async def lose(
        self, batch: Batch, detail: str, *, due_at: Micros, now: Micros, key_void: bool = False, counts: bool = True
    ) -> Moved:
        """The answer was lost: not before `due_at` it is reconciled.

        `key_void`: sending the same key again may repeat the effect. `counts`: whether this send itself may have had
        an effect.
        """
        return await self._step(batch.id, now, submitting.lose, detail, due_at, key_void=key_void, counts=counts)

    async def mark_unconfirmed(
        self, batch: Batch, submission: Submission, detail: str, *, due_at: Micros, now: Micros
    ) -> Moved:
        """The platform has work of a batch that this database never sent: the batch is reconciled.

        It is not sent under this key any more, whatever happens to us. `submission` is what would have been sent.
        """
        return await self._step(batch.id, now, submitting.mark_unconfirmed, submission, detail, due_at)

    async def recover(self, now: Micros) -> int:
        """At start: each batch that was being sent by a process that is gone is unconfirmed; returns how many.

        What waited for a time waits no longer.
        """
        sending = (LIVE_BATCH, batches.c.state == literal(BatchState.SUBMITTING))
        async with self._opened(now) as unit:
            rows = (await unit.connection.execute(SELECT_BATCH_TO_SEND.where(*sending))).all()
            await submitting.recover(unit, [batch_of(row, to_send=True) for row in rows])
            await settle(unit)
            return len(rows)

    async def searched(
        self,
        batch: Batch,
        *,
        due_at: Micros,
        now: Micros,
        server_now: Micros | None = None,
        items: Sequence[ItemReport] = (),
    ) -> Moved:
        """An unconfirmed batch was searched for, and not found whole; it is searched for again at `due_at` or later.

        `server_now` is the platform's own time, where it is known: the first search is dated by it. `items` were found,
        and are never sent again whatever becomes of the rest.
        """
        return await self._step(batch.id, now, submitting.searched, due_at, server_now, items)

    async def postpone(self, batch: Batch, detail: str, *, due_at: Micros, now: Micros) -> Moved:
        """Nothing came of its turn, for a reason of ours: a planned or unconfirmed batch waits until `due_at`."""
        return await self._step(batch.id, now, submitting.postpone, detail, due_at)

    async def renew(self, batch: Batch, *, now: Micros) -> Moved:
        """Nothing of it is on the platform: a new key; raises IllegalTransitionError where items of it were seen."""
        return await self._step(batch.id, now, submitting.renew)

    async def split(self, batch: Batch, detail: str, *, now: Micros) -> Moved:
        """Refused with more than one item, or never answered: two halves take its place."""
        return await self._step(batch.id, now, submitting.split, detail)

    async def refuse(self, batch: Batch, detail: str, *, now: Micros) -> Moved:
        """Refused with a single item, which fails with this detail and no status: the platform gave none."""
        return await self._step(batch.id, now, submitting.refuse, detail)

    async def block(self, batch: Batch, detail: str, *, now: Micros, not_there: bool = False) -> Moved:
        """Nothing more can be done without an operator, who reads `detail`; a cancelled job ends without one.

        `not_there`: it was searched for, and nothing of it is on the platform.
        """
        return await self._step(batch.id, now, blocking.block, detail, not_there=not_there)

    async def stop(self, job: JobId, reason: str, *, now: Micros) -> bool:
        """Submit no more of a job until `resume`; False where there is nothing to stop."""
        async with self._opened(now) as unit:
            stopped = await refusals.stop(unit, job, reason)
            await settle(unit)
            return stopped

    # ------------------------------------------------------------ observing

    async def apply_reports(
        self, observations: Sequence[Observation], *, now: Micros, account: str | None = None
    ) -> Observed:
        """Apply the reports of one answer, in their order; writes only what changed.

        `account` is needed where something may be learnt from an answer that names no batch of ours. What could not be
        written of one batch is named in `broken`, and asked again by the next poll.
        """
        async with self._database.read() as connection:
            comparison = await compare(connection, observations, account)
        unusual = Observed(
            matched=tuple(comparison.matched),
            contradictions=tuple(comparison.contradictions),
            unknown_objects=tuple(comparison.unknown_objects),
        )
        if not comparison.effective:
            return unusual
        try:
            return unusual.plus(await self._write(comparison.effective, now, account))
        except (StoreUnavailableError, DamagedError):
            raise
        except Exception:  # noqa: BLE001 - it occurs again below, alone, and is reported there
            return await self._write_each(unusual, comparison.effective, now, account)

    async def _write(self, reported: Sequence[Observation], now: Micros, account: str | None) -> Observed:
        async with self._opened(now) as unit:
            comparison = await compare(unit.connection, reported, account)
            found = await apply(unit, comparison)
            await settle(unit)
            return Observed(
                matched=tuple(found),
                changed=len(comparison.changes) + len(found),
                ended=ended_in(comparison, now),
                unknown_statuses=tuple(comparison.unknown_statuses),
                jobs=unit.jobs,
            )

    async def _write_each(
        self, observed: Observed, reported: Sequence[Observation], now: Micros, account: str | None
    ) -> Observed:
        """Batch by batch: what cannot be written of one must not keep the page's other batches as they were."""
        by_batch: defaultdict[BatchKey | None, list[Observation]] = defaultdict(list)
        for each in reported:
            by_batch[None if isinstance(each, Learned) else each.batch].append(each)
        for batch, portion in by_batch.items():
            try:
                observed = observed.plus(await self._write(portion, now, account))
            except (StoreUnavailableError, DamagedError):
                raise
            except Exception as error:  # noqa: BLE001 - a bug or a damaged row; the caller reports it
                observed = observed.plus(Observed(broken=(Broken(batch, error),)))
        return observed

    async def unlisted(self, items: Sequence[Item], detail: str, *, now: Micros) -> int:
        """Unlisted open items need attention, or end with their cancelled job; returns how many changed."""
        async with self._opened(now) as unit:
            changed = await unlisted.to_attention(unit, items, detail)
            await settle(unit)
            return changed

    async def settle_reported(self, batch: Batch, *, now: Micros) -> Moved:
        """The platform has no last word for a batch whose items are all final: it settles without."""
        return await self._step(batch.id, now, unlisted.settle_without_status)

    async def abort_sent(self, items: Sequence[Item], *, now: Micros) -> None:
        """The platform was asked to stop these."""
        async with self._opened(now) as unit:
            await unlisted.mark_abort_sent(unit, items)

    # ------------------------------------------------------------ one transaction

    async def _step(
        self,
        batch: BatchId,
        now: Micros,
        act: Callable[Concatenate[UnitOfWork, Batch, _Given], Awaitable[object]],
        *given: _Given.args,
        **named: _Given.kwargs,
    ) -> Moved:
        async with self._opened(now) as unit:
            before = await unit.batch(batch)
            await act(unit, before, *given, **named)
            await settle(unit)
            return Moved(batch=await unit.batch(batch), before=before.state, jobs=unit.jobs)
