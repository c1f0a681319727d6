"""`submit`: checks queue files and queues them."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import anyio.to_thread
import typer

from orchestrator.cli.commands.files import jobs_in
from orchestrator.cli.invocation import Config, fail, output, reading, run_async, settings_for, unsynced
from orchestrator.cli.sources.file_outcome import warn_without_daemon
from orchestrator.clock import Clock, SystemClock
from orchestrator.domain.model import Job, JobState
from orchestrator.intake.directory.dropping import Dropped, NotDroppedError, drop
from orchestrator.intake.directory.moves import Folders
from orchestrator.intake.limits import account_limits, webhook_terms
from orchestrator.intake.stored_jobs import Asked, Stored, notes_on
from orchestrator.settings import Settings
from orchestrator.store.errors import StoreError
from orchestrator.store.store import Store

Files = Annotated[
    list[Path], typer.Argument(help="Queue files; their tables are taken from the same folder.", show_default=False)
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait",
        help="Wait until what was requested is over: the jobs have settled with their results on disk, and controls "
        "were carried out; exit code 1 if a file was rejected or a job did not succeed.",
    ),
]

_POLL_INTERVAL = 0.5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("submit")(submit)


def submit(files: Files, config: Config = None, *, wait: Wait = False) -> None:
    """Check queue files and move copies of them into the queue directory, unless any would be rejected."""
    settings = settings_for(config)
    stored = Stored(jobs_in(settings), SystemClock().now())
    directory, dropped = settings.queue.directory, list[Dropped]()

    def report(each: Dropped) -> None:
        dropped.append(each)
        output().print(f"queued {each.file} ({', '.join(each.jobs) or 'controls'})", markup=False)
        if each.not_synced is not None:
            sys.stderr.write(f"{each.file}: {unsynced(directory, each.not_synced)}\n")
        for note in each.notes:
            output().print(f"{each.file}: note: {note}", markup=False)

    try:
        kinds, limits = settings.platforms.kinds, account_limits(settings)
        hooks, compare = webhook_terms(settings), stored.compare
        run_async(lambda: drop(files, directory, limits, kinds=kinds, webhooks=hooks, refuse=compare, report=report))
    except NotDroppedError as error:
        _print_mistakes(error)
        raise typer.Exit(2) from None
    except OSError as error:
        left = "only the files above were queued" if dropped else "nothing was queued"
        fail(f"{_place(error, directory / 'incoming')}: {error.strerror or error}: {left}")
    here = [spec for each in dropped for spec in each.specs]
    for each in dropped:
        for note in notes_on(Asked(each.specs, each.controls), stored, here, settings.accounts):
            output().print(f"{each.file}: note: {note}", markup=False)
    warn_without_daemon(settings, ("they" if len(dropped) > 1 else "it") + " will be read")
    if wait:
        _wait(Waiting(settings, dropped, SystemClock()))


def _print_mistakes(error: NotDroppedError) -> None:
    for file, mistakes in error.mistakes.items():
        for mistake in mistakes:
            sys.stderr.write(f"{file}: {mistake}\n")
        if mistakes.more:
            sys.stderr.write(f"{file}: and {mistakes.more} more\n")


def _wait(waiting: "Waiting") -> None:
    try:
        jobs = run_async(waiting.settled)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}: the files are queued, but their outcome cannot be read")
    for job in jobs:
        output().print(f"{job.spec.name}: {job.state}", markup=False)
    if waiting.lost or any(job.state is not JobState.SUCCEEDED for job in jobs):
        raise typer.Exit(1)


def _place(error: OSError, incoming: Path) -> Path:
    """The path to report for an error: the folder rather than a draft with a random name."""
    path = Path(error.filename) if isinstance(error.filename, str) else incoming
    return incoming if path.parent == incoming else path


class Waiting:
    """Waits until each file is accepted or rejected, and each of its jobs has settled.

    A file is followed by its identity, not by its name: an earlier file of the same name may be in rejected/, and an
    earlier job of the same name may have settled. A file is processed when it has left incoming/: then either its jobs
    are in the database, or there is an error file for it.
    """

    def __init__(
        self,
        settings: Settings,
        dropped: Sequence[Dropped],
        clock: Clock,
        *,
        accepted: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`accepted` are jobs whose files were accepted already: name → file."""
        self._settings = settings
        self._folders = Folders(settings.queue.directory)
        self._clock = clock
        self._queued = list(dropped)
        self._open = dict(accepted)
        """Accepted jobs that have not settled: name → file."""
        self._found: list[Job] = []
        self.lost: list[str] = []
        """Jobs and controls of files that were rejected or removed."""
        self._stack = AsyncExitStack()
        self._store: Store | None = None
        self._reason: str | None = None

    async def settled(self) -> list[Job]:
        """Wait for the jobs and return those that settled; the others are reported on stderr."""
        async with self._stack:
            while True:
                await anyio.to_thread.run_sync(self._check_files)
                if self._open:
                    await self._read_jobs()
                if not (self._queued or self._open):
                    return self._found
                await self._clock.sleep(_POLL_INTERVAL)

    def _check_files(self) -> None:
        for each in list(self._queued):
            if self._folders.waits(each.moving):
                continue
            self._queued.remove(each)
            error = self._folders.error_of(each.moving)
            if error is None:
                self._open |= dict.fromkeys(each.jobs, each.file)
                continue
            for name in each.jobs or ("controls",):
                self._lose(name, f"{each.file} was rejected, see rejected/{error.name}")

    async def _read_jobs(self) -> None:
        try:
            if self._store is None:
                self._store = await self._stack.enter_async_context(reading(self._settings))
            jobs = {name: await self._store.jobs.get(name) for name in self._open}
            undelivered = await self._store.outbox.of_jobs([job.id for job in jobs.values() if job is not None])
        except StoreError as error:
            self._print_once(str(error))
            self._store = None
            await self._stack.aclose()  # opened again by the next call
            return
        for name, job in jobs.items():
            if job is None:
                self._lose(name, f"{self._open.pop(name)} was removed from incoming/ before the daemon read it")
            elif job.state.settled and job.id not in undelivered:
                self._found.append(job)
                del self._open[name]

    def _lose(self, name: str, reason: str) -> None:
        self.lost.append(name)
        sys.stderr.write(f"{name}: {reason}\n")

    def _print_once(self, reason: str) -> None:
        if reason != self._reason:
            sys.stderr.write(f"{reason} - still waiting\n")
        self._reason = reason
