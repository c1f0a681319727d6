"""Delivers the outbox: writes `JOB.json` and `JOB.csv` of each settled job, atomically."""

import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.to_thread

from orchestrator.clock import SECOND, Clock
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.model import Job
from orchestrator.durable import open_draft, sync_file, sync_folder
from orchestrator.engine.result_document import as_csv, as_json
from orchestrator.engine.retry_delays import RetryDelays, SteadyWallClock
from orchestrator.store.outbox import Entry
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, JobSettled, ResultDelayed

IDLE_PAUSE = 60.0
"""Maximum seconds between two reads of the outbox, woken or not."""


class Results:
    """Writes results into one folder. The results of a job that settles again, after a retry, replace the old ones."""

    name = "results"

    def __init__(
        self, *, directory: Path, store: Store, clock: Clock, bus: Bus[Event], retry_delays: RetryDelays
    ) -> None:
        self._directory = directory
        self._store = store
        self._due_clock = SteadyWallClock(clock)
        self._bus = bus
        self._retry_delays = retry_delays

    async def turn(self) -> float:
        """Write the results that are due; returns the seconds until more are."""
        for entry in await self._store.outbox.due(self._due_clock.now()):
            try:
                await self._deliver(entry)
            except Exception as error:  # noqa: BLE001 - a bug in one result is reported, and must not delay the others
                await self._delay(entry, error)
        due = await self._store.outbox.next_due()
        return IDLE_PAUSE if due is None else min(IDLE_PAUSE, max(0.0, (due - self._due_clock.now()) / SECOND))

    async def _deliver(self, entry: Entry) -> None:
        job = await self._store.jobs.get(entry.job_name)
        if job is not None:
            path = self._directory / f"{job.spec.name}.json"
            await write_whole(self._directory / f"{job.spec.name}.csv", as_csv(self._store, job))
            crash_point(CrashPoint.CSV_WRITTEN)
            await write_whole(path, as_json(self._store, job))
            crash_point(CrashPoint.RESULT_WRITTEN)
            self._bus.publish(_settled(job, path))
        await self._store.outbox.done(entry)
        crash_point(CrashPoint.RESULT_DELIVERED)

    async def _delay(self, entry: Entry, error: Exception) -> None:
        """Record and report a failed delivery. Raises, and so fails the whole turn, when the database fails."""
        delay, reason = self._retry_delays(entry.tries + 1), self._summary(error)
        await self._store.outbox.failed(entry, reason, due_at=self._due_clock.after(delay))
        expected = isinstance(error, OSError | OrchestratorError)
        text = reason if expected else "".join(traceback.format_exception(error))
        self._bus.publish(ResultDelayed(entry.job_name, text, delay))

    def _summary(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return f"{error.strerror or error}: {error.filename or self._directory}"
        return str(error) if isinstance(error, OrchestratorError) else f"{type(error).__name__}: {error}"


def _settled(job: Job, path: Path) -> JobSettled:
    counts = {state.value: count for state, count in job.counts.items()}
    return JobSettled(job.spec.name, job.state, str(path), job.detail, counts or None)


async def write_whole(path: Path, portions: AsyncIterator[bytes]) -> None:
    """Write a file atomically and durably.

    Raises:
        OSError: the file could not be written; an earlier file of that name is unchanged.
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
