"""Changes the states of items and batches, and of committed jobs. Nothing else does.

Each method is one transaction: the change, what follows from it, and its events. An illegal change raises
`IllegalTransitionError` and writes nothing. If the process is killed before a method returns, the transaction is
complete or absent; when the method is called again, it finds its change made, or raises `IllegalTransitionError`.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, ParamSpec

from orchestrator.clock import Micros
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
from orchestrator.domain.reported_limits import bounded_receipt
from orchestrator.domain.submission import Submission
from orchestrator.store.changes import Broken, Moved, Observed
from orchestrator.store.errors import DamagedError, StoreUnavailableError
from orchestrator.store.reading.rows import SELECT_BATCH, batch_of
from orchestrator.store.schema import LIVE_BATCH, batches, literal
from orchestrator.store.writing import blocking, refusals, submitting, unlisted
from orchestrator.store.writing.compare import compare
from orchestrator.store.writing.controls.actions import ControlActions
from orchestrator.store.writing.jobs.settling import settle
from orchestrator.store.writing.reports import apply, ended_in
from orchestrator.store.writing.unit_of_work import UnitOfWork

_Given = ParamSpec("_Given")


class Advance(ControlActions):
    """The transactions that change batches, items and jobs."""

    # ------------------------------------------------------------ submitting

    async def begin(
        self, batch: Batch, submission: Submission, *, user: str, now: Micros, server_now: Micros | None = None
    ) -> Batch:
        """Record that a batch is about to be sent; returns it with the submission to send, byte for byte.

        A submission that is already stored under this key is kept, and `submission` ignored. `server_now` is the
        platform's own time, for the age of the key, if known.

        Raises:
            IllegalTransitionError: it has changed, or its job was paused, stopped or cancelled: it must not be sent.
        """

        async def act(unit: UnitOfWork, current: Batch) -> None:
            submitting.as_chosen(current, batch)
            await submitting.begin(unit, current, submission, user, server_now)

        moved = await self._step(batch.id, now, act)
        return moved.batch

    async def follow(self, batch: Batch, *, now: Micros) -> Moved:
        """Record that the batch, of which nothing is sent, is followed from now on.

        Raises:
            IllegalTransitionError: it has changed, or its job was paused, stopped or cancelled.
        """
        return await self._step(batch.id, now, submitting.follow)

    async def proceed(self, batch: Batch, receipt: Receipt, *, now: Micros) -> Moved:
        """Record that the platform accepted one step of the submission; the next is composed when it is sent."""
        return await self._step(batch.id, now, submitting.proceed, bounded_receipt(receipt))

    async def confirm(self, batch: Batch, receipt: Receipt, *, now: Micros) -> Moved:
        """Record that the platform accepted the batch, or that it was found there. Idempotent."""
        return await self._step(batch.id, now, submitting.confirm, bounded_receipt(receipt))

    async def confirm_partly(self, batch: Batch, receipt: Receipt, *, now: Micros) -> Moved:
        """Record that only these items were found, and plan the others anew. Raises StoreError if none was found."""
        return await self._step(batch.id, now, submitting.confirm_partly, bounded_receipt(receipt))

    async def release(self, batch: Batch, detail: str, *, due_at: Micros, now: Micros) -> Moved:
        """Record that this send had no effect: the batch is sent again at `due_at` or later.

        A batch whose earlier send was not answered stays unconfirmed, as that one may have had its effect.
        """
        return await self._step(batch.id, now, submitting.release, detail, due_at)

    async def lose(
        self, batch: Batch, detail: str, *, due_at: Micros, now: Micros, key_void: bool = False, counts: bool = True
    ) -> Moved:
        """Record that the answer was lost: the batch is reconciled at `due_at` or later.

        `key_void`: sending the same key again may repeat the effect. `counts`: this send may have had an effect.
        """
        return await self._step(batch.id, now, submitting.lose, detail, due_at, key_void=key_void, counts=counts)

    async def mark_unconfirmed(
        self, batch: Batch, submission: Submission, detail: str, *, due_at: Micros, now: Micros
    ) -> Moved:
        """Record that the platform has work of a batch that this database never sent: the batch is reconciled.

        It is never sent under this key. `submission` is what would have been sent.
        """
        return await self._step(batch.id, now, submitting.mark_unconfirmed, submission, detail, due_at)

    async def recover(self, now: Micros) -> int:
        """At start: make the batches that an earlier process was sending unconfirmed; returns how many.

        Delayed batches are due at once.
        """
        sending = (LIVE_BATCH, batches.c.state == literal(BatchState.SUBMITTING))
        async with self._opened(now) as unit:
            rows = (await unit.connection.execute(SELECT_BATCH.where(*sending))).all()
            await submitting.recover(unit, [batch_of(row) for row in rows])
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
        """Record that a search did not find all of an unconfirmed batch; the next search is at `due_at` or later.

        `server_now` is the platform's own time, if known, and dates the first search. `items` were found, and are never
        sent again.
        """
        return await self._step(batch.id, now, submitting.searched, due_at, server_now, items)

    async def postpone(self, batch: Batch, detail: str, *, due_at: Micros, now: Micros) -> Moved:
        """Delay a planned or unconfirmed batch until `due_at`, as a local error kept it from being sent."""
        return await self._step(batch.id, now, submitting.postpone, detail, due_at)

    async def renew(self, batch: Batch, *, now: Micros) -> Moved:
        """Give a new key to a batch that is not on the platform. Raises IllegalTransitionError if any item is."""
        return await self._step(batch.id, now, submitting.renew)

    async def split(self, batch: Batch, detail: str, *, now: Micros) -> Moved:
        """Replace a batch by its two halves: it was refused, or is never answered."""
        return await self._step(batch.id, now, submitting.split, detail)

    async def refuse(self, batch: Batch, detail: str, *, now: Micros) -> Moved:
        """Fail the single item of a refused batch, with this detail and without a status."""
        return await self._step(batch.id, now, submitting.refuse, detail)

    async def block(self, batch: Batch, detail: str, *, now: Micros, not_there: bool = False) -> Moved:
        """Block a batch until the operator acts, who reads `detail`. That of a cancelled job ends instead.

        `not_there`: a search showed that nothing of it is on the platform.
        """
        return await self._step(batch.id, now, blocking.block, detail, not_there=not_there)

    async def stop(self, job: JobId, reason: str, *, now: Micros) -> bool:
        """Submit no more of a job until `resume`; returns False if there is nothing to stop."""
        async with self._opened(now) as unit:
            stopped = await refusals.stop(unit, job, reason)
            await settle(unit)
            return stopped

    # ------------------------------------------------------------ observing

    async def apply_reports(
        self, observations: Sequence[Observation], *, now: Micros, account: str | None = None
    ) -> Observed:
        """Apply the reports of one answer, in their order; writes only what changed.

        `account` is needed where `Learned` observations may come without any known batch. Reports of a batch that could
        not be written are in `broken`; the next poll repeats them.
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
        """Write batch by batch, so that an error in one does not discard the reports of the others."""
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
        """Set open items that are not listed to `attention`, or end those of cancelled jobs; returns the number."""
        async with self._opened(now) as unit:
            changed = await unlisted.to_attention(unit, items, detail)
            await settle(unit)
            return changed

    async def settle_reported(self, batch: Batch, *, now: Micros) -> Moved:
        """Settle a batch whose items are all final, although the platform reports no final status of it."""
        return await self._step(batch.id, now, unlisted.settle_without_status)

    async def abort_sent(self, items: Sequence[Item], *, now: Micros) -> None:
        """Record that the platform was asked to stop these items."""
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
