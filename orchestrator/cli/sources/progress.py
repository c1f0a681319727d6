"""Reads the progress of jobs from the daemon or, if none answers, from the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import anyio.to_thread

from orchestrator.cli.commands.accounts import from_daemon
from orchestrator.cli.invocation import reading
from orchestrator.cli.sources.job_sources import Daemon, Database, Described, Source, UnreachableError
from orchestrator.domain.model import JobState
from orchestrator.settings import Settings
from orchestrator.store.reading.job_criteria import JobCriteria

_UNSETTLED = tuple(state for state in JobState if not state.settled and state is not JobState.LOADING)
_MOST_ENDED = 100
"""Number of settled jobs that are shown, the last ones to settle."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The progress at one time."""

    jobs: Sequence[Described]
    """The watched job; or all unsettled jobs, the oldest first, after those that have settled meanwhile."""
    batches: Sequence[Described] = ()
    """The batches of the watched job."""
    account_errors: Mapping[str, str] = field(default_factory=dict)
    """Errors of these jobs' accounts: name → last error. Known to the daemon only."""
    daemon: bool = True
    """Whether it was read from a daemon."""

    @property
    def over(self) -> bool:
        """Whether every job has settled."""
        return all(settled(job) for job in self.jobs)


def settled(job: Described) -> bool:
    """Whether the job has settled."""
    return JobState(job["state"]).settled


class ProgressReader:
    """Reads the progress of one job, or of all unsettled jobs."""

    def __init__(self, settings: Settings, name: str | None = None) -> None:
        self._settings = settings
        self._name = name
        self._open: Sequence[str] = ()
        self._ended: dict[str, Described] = {}

    async def read(self) -> Snapshot:
        """The current progress.

        Raises:
            typer.Exit: there is no job with the name.
            SettingsError, StoreError: no daemon answers, and the database cannot be read.
        """
        accounts = await anyio.to_thread.run_sync(from_daemon, self._settings)
        if accounts is not None:
            try:
                return await self._snapshot(Daemon(self._settings), _account_errors(accounts))
            except UnreachableError:
                pass  # it has stopped, or does not know the job: read the database
        async with reading(self._settings) as store:
            return await self._snapshot(Database(store, self._settings), None)

    async def _snapshot(self, source: Source, errors: Mapping[str, str] | None) -> Snapshot:
        if self._name is not None:
            job, batches = await source.job(self._name)
            jobs: Sequence[Described] = [job]
        else:
            jobs, batches = await self._unsettled(source), []
        touched = {job["account"] for job in jobs}
        relevant = {name: error for name, error in (errors or {}).items() if name in touched}
        return Snapshot(jobs, batches, relevant, daemon=errors is not None)

    async def _unsettled(self, source: Source) -> Sequence[Described]:
        jobs = [job for state in _UNSETTLED for job in reversed(await source.jobs(JobCriteria(state)))]
        # A job that changed its state between two requests is in both answers; the later one counts.
        now = {job["name"]: job for job in sorted(jobs, key=lambda job: job["created_at"])}
        ended = [(await source.job(name))[0] for name in self._open if name not in now]
        self._ended = {name: job for name, job in self._ended.items() if name not in now}
        self._ended |= {job["name"]: job for job in ended if settled(job)}
        self._ended = dict(list(self._ended.items())[-_MOST_ENDED:])
        self._open = [*now, *(job["name"] for job in ended if not settled(job))]
        return [*self._ended.values(), *now.values(), *(job for job in ended if not settled(job))]


def _account_errors(accounts: Described) -> dict[str, str]:
    errors = {account["name"]: account["detail"] or account.get("last_error") for account in accounts["accounts"]}
    return {name: error for name, error in errors.items() if error}
