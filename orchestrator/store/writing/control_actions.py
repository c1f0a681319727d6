"""The controls of operators: cancel, pause, resume, retry, give up, adopt. Each is one transaction.

Each may carry a token: a control whose token was seen before does nothing. `actor` is the user id of whoever asked for
it; the events of the transaction keep it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType

from orchestrator.clock import Micros
from orchestrator.domain.model import ItemState, JobId
from orchestrator.domain.queue_file.estimate import BATCH_BYTES
from orchestrator.store.account_memory import pause_account, resume_account
from orchestrator.store.changes import Controlled
from orchestrator.store.database.engine import Database
from orchestrator.store.ids import TimeOrderedIds
from orchestrator.store.reading.rows import Row
from orchestrator.store.schema import jobs
from orchestrator.store.writing import controls, giving_up
from orchestrator.store.writing.jobs.settling import settle
from orchestrator.store.writing.unit_of_work import UnitOfWork

_PAUSED = "paused by an operator"


class ControlActions:
    """Carries out the controls of operators."""

    def __init__(self, database: Database, ids: TimeOrderedIds) -> None:
        self._database = database
        self._ids = ids

    async def cancel(
        self, name: str, *, now: Micros, token: str | None = None, actor: str | None = None
    ) -> Controlled | None:
        """Send no more of a job, and stop what is on the platform; None: there is no such job.

        A job that settled, or is being cancelled, stays as it is.
        """

        async def act(unit: UnitOfWork, row: Row) -> Controlled:
            ended = await controls.ended_by_us(unit, JobId(row.id))
            await controls.cancel(unit, row)
            await settle(unit)
            ended = await controls.ended_by_us(unit, JobId(row.id)) - ended
            return Controlled(items=ended, batches=len(unit.settled_batches), jobs=unit.jobs)

        return await self._control(f"cancel {name}", name, act, now=now, token=token, actor=actor)

    async def pause(
        self,
        *,
        now: Micros,
        name: str | None = None,
        account: str | None = None,
        token: str | None = None,
        actor: str | None = None,
    ) -> Controlled | None:
        """Submit no more of a job, of an account (also of jobs still to come), or of all; None: no such job."""

        async def act(unit: UnitOfWork, row: Row) -> Controlled:
            await controls.pause(unit, [jobs.c.id == row.id], _PAUSED)
            await settle(unit)
            return Controlled(jobs=unit.jobs)

        if name is not None:
            return await self._control(f"pause {name}", name, act, now=now, token=token, actor=actor)
        async with self._opened(now, actor) as unit:
            if await controls.repeated(unit, token, f"pause {account or 'all'}"):
                return Controlled(repeated=True)
            reason = await pause_account(unit.connection, account)
            unit.event(None, "pause", detail=reason)
            await controls.pause(unit, [jobs.c.account == account] if account else [], reason)
            await settle(unit)
            return Controlled(jobs=unit.jobs)

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
            await controls.resume(unit, [jobs.c.id == row.id])
            await controls.go_on(unit, row)
            await settle(unit)
            return Controlled(jobs=unit.jobs)

        if name is not None:
            return await self._control(f"resume {name}", name, act, now=now, token=token, actor=actor)
        async with self._opened(now, actor) as unit:
            if await controls.repeated(unit, token, f"resume {account or 'all'}"):
                return Controlled(repeated=True)
            await resume_account(unit.connection, account)
            unit.event(None, "resume", detail=f"account {account}" if account else "everything")
            await controls.resume(unit, [jobs.c.account == account] if account else [])
            await settle(unit)
            return Controlled(jobs=unit.jobs)

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
            again, blocked = await controls.retry(unit, row, keys, state, most)
            await settle(unit)
            return Controlled(items=again, batches=blocked, jobs=unit.jobs)

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
            return Controlled(items=ended, batches=len(unit.settled_batches), jobs=unit.jobs)

        return await self._control(f"give-up {name}", name, act, now=now, token=token, actor=actor)

    async def adopt(
        self, name: str, number: int, remote_id: str, *, now: Micros, token: str | None = None, actor: str | None = None
    ) -> Controlled | None:
        """Record which remote batch a blocked or unconfirmed one became; None: there is no such job.

        Raises:
            ControlRefusedError: no such batch, not in a state to be adopted, or the remote one is known already.
        """

        async def act(unit: UnitOfWork, row: Row) -> Controlled:
            await controls.adopt(unit, row, number, remote_id)
            await settle(unit)
            return Controlled(batches=1, jobs=unit.jobs)

        return await self._control(f"adopt {name} {number} {remote_id}", name, act, now=now, token=token, actor=actor)

    # ------------------------------------------------------------ one transaction

    @asynccontextmanager
    async def _opened(self, now: Micros, actor: str | None = None) -> AsyncIterator[UnitOfWork]:
        async with self._database.write() as connection:
            yield UnitOfWork(connection, self._ids, now, actor)

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
            row = await controls.job_named(unit, name)
            if row is None:
                return None
            if await controls.repeated(unit, token, what):
                return Controlled(repeated=True)
            return await act(unit, row)
