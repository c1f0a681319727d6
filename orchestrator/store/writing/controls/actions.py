"""The controls of operators: cancel, pause, resume, retry, give up, adopt. Each is one transaction.

Each may carry a token: a control whose token was seen before does nothing. `actor` is the id of the user who asked for
it; the events of the transaction keep it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import ItemState, JobId
from orchestrator.domain.queue_file.estimate import BATCH_BYTES
from orchestrator.domain.units import rfc3339
from orchestrator.store import schema
from orchestrator.store.account_memory import pause_account, resume_account
from orchestrator.store.changes import Controlled, JobChanged
from orchestrator.store.database.engine import Database
from orchestrator.store.ids import TimeOrderedIds
from orchestrator.store.reading.rows import Row
from orchestrator.store.schema import jobs
from orchestrator.store.writing.controls import effects, giving_up, outcomes
from orchestrator.store.writing.jobs.settling import settle
from orchestrator.store.writing.unit_of_work import UnitOfWork


class ControlActions:
    """Carries out the controls of operators."""

    def __init__(self, database: Database, ids: TimeOrderedIds) -> None:
        self.job_changed: Callable[[JobChanged], None] = lambda _: None
        """Called after the commit for each job whose state or needs changed."""
        self._database = database
        self._ids = ids

    async def outcome(self, token: str) -> str | None:
        """What the control of this token did; None where it was not carried out."""
        query = sa.select(schema.controls.c.what).where(schema.controls.c.token == token)
        async with self._database.read() as connection:
            text = (await connection.execute(query)).scalar_one_or_none()
        return text.partition(": ")[2] if text is not None else None

    async def cancel(
        self, name: str, *, now: Micros, token: str | None = None, actor: str | None = None
    ) -> Controlled | None:
        """Send no more of a job, and stop what is on the platform. Returns None if there is no such job.

        A job that is settled or being cancelled is not changed.
        """

        async def act(unit: UnitOfWork, row: Row) -> Controlled:
            ended = await effects.ended_by_us(unit, JobId(row.id))
            await effects.cancel(unit, row)
            await settle(unit)
            ended = await effects.ended_by_us(unit, JobId(row.id)) - ended
            outcome = outcomes.cancelled(row, ended)
            return Controlled(items=ended, batches=len(unit.settled_batches), outcome=outcome, jobs=unit.jobs)

        return await self._control(f"cancel {name}", name, act, now=now, token=token, actor=actor)

    async def pause(
        self,
        *,
        now: Micros,
        name: str | None = None,
        account: str | None = None,
        user: str = "an operator",
        token: str | None = None,
        actor: str | None = None,
    ) -> Controlled | None:
        """Submit no more of a job, of an account (also of jobs still to come), or of all; None: no such job.

        `user`, a name, and the time are part of the reason that the jobs show.
        """
        by = f"by {user} at {rfc3339(now)[:19]}Z"

        async def act(unit: UnitOfWork, row: Row) -> Controlled:
            held = await effects.pause(unit, [jobs.c.id == row.id], f"paused {by}")
            return await _held(unit, row, held, paused=True)

        async def act_on_all(unit: UnitOfWork) -> Controlled:
            reason = await pause_account(unit.connection, account, by)
            unit.event(None, "pause", detail=reason)
            held = await effects.pause(unit, [jobs.c.account == account] if account else [], reason)
            return await _held(unit, None, held, paused=True)

        if name is not None:
            return await self._control(f"pause {name}", name, act, now=now, token=token, actor=actor)
        return await self._control_all(f"pause {account or 'all'}", act_on_all, now=now, token=token, actor=actor)

    async def resume(
        self,
        *,
        now: Micros,
        name: str | None = None,
        account: str | None = None,
        token: str | None = None,
        actor: str | None = None,
    ) -> Controlled | None:
        """Undo `pause`. A job by its name also continues after it stopped for its failures; None: no such job."""

        async def act(unit: UnitOfWork, row: Row) -> Controlled:
            resumed = await effects.resume(unit, [jobs.c.id == row.id])
            return await _held(unit, row, resumed + await effects.go_on(unit, row), paused=False)

        async def act_on_all(unit: UnitOfWork) -> Controlled:
            await resume_account(unit.connection, account)
            unit.event(None, "resume", detail=f"account {account}" if account else "everything")
            resumed = await effects.resume(unit, [jobs.c.account == account] if account else [])
            return await _held(unit, None, resumed, paused=False)

        if name is not None:
            return await self._control(f"resume {name}", name, act, now=now, token=token, actor=actor)
        return await self._control_all(f"resume {account or 'all'}", act_on_all, now=now, token=token, actor=actor)

    async def retry(
        self,
        name: str,
        *,
        now: Micros,
        keys: Sequence[str] = (),
        state: ItemState | None = None,
        token: str | None = None,
        actor: str | None = None,
        batch_bytes: Mapping[str, int] = MappingProxyType({}),
    ) -> Controlled | None:
        """Send items again: those named, those in `state`, or all that did not succeed and all blocked batches.

        A settled job is re-opened for a new round, and jobs that were skipped because of it wait again. `batch_bytes`
        gives the bytes of items that a batch of an account may have, by its name. None: there is no such job.

        Raises:
            ControlRefusedError: a key that it does not have, a job still being cancelled, or one already pruned.
        """

        async def act(unit: UnitOfWork, row: Row) -> Controlled:
            most = batch_bytes.get(row.account, BATCH_BYTES)
            again, blocked, acted = await effects.retry(unit, row, keys, state, most)
            await settle(unit)
            outcome = outcomes.retried(row, again, blocked, acted=acted)
            return Controlled(items=again, batches=blocked, outcome=outcome, jobs=unit.jobs)

        return await self._control(f"retry {name}", name, act, now=now, token=token, actor=actor)

    async def give_up(
        self,
        name: str,
        *,
        now: Micros,
        user: str,
        keys: Sequence[str] = (),
        token: str | None = None,
        actor: str | None = None,
    ) -> Controlled | None:
        """End the open items of a job, or those named, as failed; raises ControlRefusedError. None: no such job."""

        async def act(unit: UnitOfWork, row: Row) -> Controlled:
            ended = await giving_up.give_up(unit, row, keys, user)
            await settle(unit)
            outcome = outcomes.given_up(row, ended)
            return Controlled(items=ended, batches=len(unit.settled_batches), outcome=outcome, jobs=unit.jobs)

        return await self._control(f"give-up {name}", name, act, now=now, token=token, actor=actor)

    async def adopt(
        self, name: str, number: int, remote_id: str, *, now: Micros, token: str | None = None, actor: str | None = None
    ) -> Controlled | None:
        """Record which remote batch a blocked or unconfirmed one became; None: there is no such job.

        Raises:
            ControlRefusedError: no such batch, not in a state to be adopted, or the remote one is known already.
        """

        async def act(unit: UnitOfWork, row: Row) -> Controlled:
            await effects.adopt(unit, row, number, remote_id)
            await settle(unit)
            return Controlled(batches=1, outcome=f"{remote_id} is followed from now on", jobs=unit.jobs)

        return await self._control(f"adopt {name} {number} {remote_id}", name, act, now=now, token=token, actor=actor)

    # ------------------------------------------------------------ one transaction

    @asynccontextmanager
    async def _opened(self, now: Micros, actor: str | None = None) -> AsyncIterator[UnitOfWork]:
        async with self._database.write() as connection:
            unit = UnitOfWork(connection, self._ids, now, actor)
            yield unit
        for change in unit.jobs:
            self.job_changed(change)

    async def _control(
        self,
        what: str,
        name: str,
        act: Callable[[UnitOfWork, Row], Awaitable[Controlled]],
        *,
        now: Micros,
        token: str | None,
        actor: str | None,
    ) -> Controlled | None:
        async with self._opened(now, actor) as unit:
            row = await effects.job_named(unit, name)
            if row is None:
                return None
            if await effects.repeated(unit, token, what):
                return Controlled(repeated=True)
            done = await act(unit, row)
            await effects.keep_outcome(unit, token, what, done.outcome)
            return done

    async def _control_all(
        self,
        what: str,
        act: Callable[[UnitOfWork], Awaitable[Controlled]],
        *,
        now: Micros,
        token: str | None,
        actor: str | None,
    ) -> Controlled:
        async with self._opened(now, actor) as unit:
            if await effects.repeated(unit, token, what):
                return Controlled(repeated=True)
            done = await act(unit)
            await effects.keep_outcome(unit, token, what, done.outcome)
            return done


async def _held(unit: UnitOfWork, row: Row | None, held: int, *, paused: bool) -> Controlled:
    await settle(unit)
    return Controlled(outcome=outcomes.held(row, held, paused=paused), jobs=unit.jobs)
