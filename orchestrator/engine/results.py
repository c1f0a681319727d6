"""Delivers the outbox: writes `JOB.csv`, `JOB.html` and `JOB.json` of each settled job, atomically."""

import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import anyio
import anyio.to_thread

from orchestrator.clock import SECOND, Clock
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.messages.printable import printable
from orchestrator.domain.model import Job, JobSpec
from orchestrator.durable import open_draft, sync_file, sync_folder
from orchestrator.engine.report.context import Context
from orchestrator.engine.report.outcome import Outcome
from orchestrator.engine.result_document import CsvTable, JsonDocument, describe_batches
from orchestrator.engine.retry_delays import RetryDelays, SteadyWallClock
from orchestrator.store.outbox import Entry
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, JobSettled, ResultDelayed

IDLE_PAUSE = 60.0
"""Maximum seconds between two reads of the outbox, woken or not."""
_LONGEST_TURN = 60.0
"""Seconds after which a turn begins no other result: one that lasts for many minutes looks like one that hangs."""


class Results:
    """Writes results into one folder. The results of a job that settles again, after a retry, replace the old ones."""

    name = "results"

    def __init__(
        self,
        *,
        directory: Path,
        store: Store,
        clock: Clock,
        bus: Bus[Event],
        retry_delays: RetryDelays,
        context: Callable[[JobSpec], Context] = lambda _: Context(),
    ) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock
        self._context = context
        self._due_clock = SteadyWallClock(clock)
        self._bus = bus
        self._retry_delays = retry_delays

    async def turn(self) -> float:
        """Write the results that are due; returns the seconds until more are."""
        due = await self._store.outbox.next_due()
        if due is not None and due <= self._due_clock.now():
            await self._deliver_due()
            due = await self._store.outbox.next_due()
        return IDLE_PAUSE if due is None else min(IDLE_PAUSE, max(0.0, (due - self._due_clock.now()) / SECOND))

    async def _deliver_due(self) -> None:
        end = self._clock.monotonic() + _LONGEST_TURN
        for entry in await self._store.outbox.due(self._due_clock.now()):
            if self._clock.monotonic() >= end:
                return
            try:
                await self._deliver(entry)
            except Exception as error:  # noqa: BLE001 - a bug in one result is reported, and must not delay the others
                await self._delay(entry, error)

    async def _deliver(self, entry: Entry) -> None:
        job = await self._store.jobs.get(entry.job_name)
        if job is not None and job.state.settled:  # a retry may have opened it again since the outbox was read
            path = await self._write(job)
            self._bus.publish(_settled(job, path))
        await self._store.outbox.done(entry)
        crash_point(CrashPoint.RESULT_DELIVERED)

    async def _write(self, job: Job) -> Path:
        """Write the three files from one reading of the job's items; returns the JSON document, which comes last.

        A file that is visible is complete, and where the JSON document exists the others do too.
        """
        from orchestrator.engine.report.page import STEPS_SHOWN, render  # noqa: PLC0415 - its library is loaded when needed

        context, now, batches = self._context(job.spec), self._clock.now(), 0
        table, document, outcome = (
            CsvTable(context.link),
            JsonDocument(job, context.link),
            Outcome(job, now, context.link),
        )
        paths = [self._directory / f"{job.spec.name}.{ending}" for ending in ("csv", "html", "json")]
        async with AsyncExitStack() as stack:
            drafts = [await stack.enter_async_context(_draft(path)) for path in paths]
            of_table, of_page, of_document = drafts
            await of_document.write(document.head())
            async for chunk in self._store.batches.stream(job.id):
                batches += len(chunk)
                await of_document.write(document.batches(await describe_batches(self._store, chunk)))
            await of_document.write(document.between())
            async for items in self._store.items.stream(job.id):
                await of_table.write(table.items(items))
                await of_document.write(document.items(items))
                outcome.add(items)
            await of_table.write(table.tail())
            await of_document.write(document.tail())
            steps = await self._store.history.steps(job.id, limit=STEPS_SHOWN + 1)
            of_job = partial(render, job, outcome, context, batches=batches, now=now, steps=steps)
            await of_page.write(await anyio.to_thread.run_sync(of_job))
            for draft in drafts:
                await draft.put_in_place()
                if draft is of_table:
                    crash_point(CrashPoint.CSV_WRITTEN)
        crash_point(CrashPoint.RESULT_WRITTEN)
        return paths[-1]

    async def _delay(self, entry: Entry, error: Exception) -> None:
        """Record and report a failed delivery. Raises, and so fails the whole turn, when the database fails."""
        delay, reason = self._retry_delays(entry.tries + 1), printable(self._summary(error))
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


@dataclass(slots=True)
class _Draft:
    """A file that takes the place of `path` once it is complete."""

    path: Path
    hidden: Path
    opened: IO[bytes]
    file: anyio.AsyncFile[bytes]

    async def write(self, portion: bytes) -> None:
        await self.file.write(portion)

    async def put_in_place(self) -> None:
        await self.file.flush()
        await anyio.to_thread.run_sync(self._sync_and_rename)

    def _sync_and_rename(self) -> None:
        sync_file(self.opened.fileno())
        self.hidden.replace(self.path)
        sync_folder(self.path.parent)


@asynccontextmanager
async def _draft(path: Path) -> AsyncIterator[_Draft]:
    """A draft of a file; it is removed if an error comes before it is put in place.

    Raises:
        OSError: the file could not be written; an earlier file of that name is unchanged.
    """
    hidden, opened = await anyio.to_thread.run_sync(open_draft, path)
    try:
        async with anyio.wrap_file(opened) as file:
            yield _Draft(path, hidden, opened, file)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.Path(hidden).unlink(missing_ok=True)
        raise
