"""Delivers the outbox: a settled job becomes `JOB.json` and `JOB.csv`, each whole or not at all."""

import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.to_thread

from orchestrator.clock import SECOND, Clock
from orchestrator.crashpoints import Point, reach
from orchestrator.domain.errors import OrchestratorError
from orchestrator.durable import open_draft, sync_file, sync_folder
from orchestrator.engine.document import as_csv, as_json
from orchestrator.engine.pauses import Pauses, Steady
from orchestrator.store.outbox import Entry
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, JobSettled, ResultDelayed

IDLE_PAUSE = 60.0
"""Seconds between two looks at an outbox that nobody announced anything for."""


class Results:
    """Writes results into one folder. A job may come again (after a retry): the new files take the place of the old."""

    name = "results"

    def __init__(self, *, directory: Path, store: Store, clock: Clock, bus: Bus[Event], pauses: Pauses) -> None:
        self._directory = directory
        self._store = store
        self._waits = Steady(clock)
        self._bus = bus
        self._pauses = pauses

    async def turn(self) -> float:
        """Write what is due; returns the seconds until more is."""
        for entry in await self._store.outbox.due(self._waits.now()):
            try:
                await self._deliver(entry)
            except Exception as error:  # noqa: BLE001 - also a bug met in one result keeps no other back; it is told
                await self._delay(entry, error)
        due = await self._store.outbox.next_due()
        return IDLE_PAUSE if due is None else min(IDLE_PAUSE, max(0.0, (due - self._waits.now()) / SECOND))

    async def _deliver(self, entry: Entry) -> None:
        job = await self._store.jobs.get(entry.job_name)
        if job is not None:
            path = self._directory / f"{job.spec.name}.json"
            await write_whole(self._directory / f"{job.spec.name}.csv", as_csv(self._store, job))
            reach(Point.CSV_WRITTEN)
            await write_whole(path, as_json(self._store, job))
            reach(Point.RESULT_WRITTEN)
            self._bus.publish(JobSettled(job.spec.name, job.state, str(path)))
        await self._store.outbox.done(entry)
        reach(Point.RESULT_DELIVERED)

    async def _delay(self, entry: Entry, error: Exception) -> None:
        """Where the database itself is the trouble this fails too, and the whole turn with it."""
        pause, reason = self._pauses(entry.tries + 1), self._in_short(error)
        await self._store.outbox.failed(entry, reason, due_at=self._waits.after(pause))
        foreseen = isinstance(error, OSError | OrchestratorError)
        told = reason if foreseen else "".join(traceback.format_exception(error))
        self._bus.publish(ResultDelayed(entry.job_name, told, pause))

    def _in_short(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return f"{error.strerror or error}: {error.filename or self._directory}"
        return str(error) if isinstance(error, OrchestratorError) else f"{type(error).__name__}: {error}"


async def write_whole(path: Path, portions: AsyncIterator[bytes]) -> None:
    """Write a file that appears under its name complete and durable, or not at all.

    Raises:
        OSError: the disk is full, read-only or broken; what stood there before still stands there.
    """
    draft, opened = await anyio.to_thread.run_sync(open_draft, path)
    try:
        async with anyio.wrap_file(opened) as file:
            async for portion in portions:
                await file.write(portion)
            await file.flush()
            await anyio.to_thread.run_sync(sync_file, opened.fileno())
        await anyio.to_thread.run_sync(_put_in_place, draft, path)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.Path(draft).unlink(missing_ok=True)
        raise


def _put_in_place(draft: Path, path: Path) -> None:
    draft.replace(path)
    sync_folder(path.parent)
