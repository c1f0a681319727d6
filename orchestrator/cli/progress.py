"""How far jobs are, look by look: as the daemon tells it, or as the database has it when none answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import anyio.to_thread

from orchestrator.cli.accounts import from_daemon
from orchestrator.cli.common import reading
from orchestrator.cli.sources import Daemon, Database, SilentError, Source, Told
from orchestrator.domain.model import JobState
from orchestrator.settings import Settings

_UNSETTLED = tuple(state for state in JobState if not state.settled and state is not JobState.LOADING)
_MOST_ENDED = 100
"""Jobs that are shown after their end; of more, those that ended last."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    jobs: Sequence[Told]
    """The job that is watched; or all that are not settled, the oldest first, after those that settled meanwhile."""
    batches: Sequence[Told] = ()
    """Of the job that is watched."""
    troubles: Mapping[str, str] = field(default_factory=dict)
    """What the accounts of these jobs go on failing at: name → last error. Known to a daemon alone."""
    daemon: bool = True
    """Whether a daemon told this."""

    @property
    def over(self) -> bool:
        """Whether nothing is left to wait for."""
        return all(settled(job) for job in self.jobs)


def settled(job: Told) -> bool:
    """Whether the job has come to its end."""
    return JobState(job["state"]).settled


class Sight:
    """Looks at one job, or at all that are not settled."""

    def __init__(self, settings: Settings, name: str | None = None) -> None:
        self._settings = settings
        self._name = name
        self._open: Sequence[str] = ()
        self._ended: dict[str, Told] = {}

    async def look(self) -> Seen:
        """How it is now.

        Raises:
            typer.Exit: no job has the name.
            SettingsError, StoreError: no daemon answers, and the database cannot be read.
        """
        accounts = await anyio.to_thread.run_sync(from_daemon, self._settings)
        if accounts is not None:
            try:
                return await self._seen(Daemon(self._settings), _troubles(accounts))
            except SilentError:
                pass  # it has just stopped, or does not know the job: the database tells
        async with reading(self._settings) as store:
            return await self._seen(Database(store, self._settings), None)

    async def _seen(self, source: Source, troubles: Mapping[str, str] | None) -> Seen:
        if self._name is not None:
            job, batches = await source.job(self._name)
            jobs: Sequence[Told] = [job]
        else:
            jobs, batches = await self._unsettled(source), []
        touched = {job["account"] for job in jobs}
        met = {name: error for name, error in (troubles or {}).items() if name in touched}
        return Seen(jobs, batches, met, daemon=troubles is not None)

    async def _unsettled(self, source: Source) -> Sequence[Told]:
        jobs = [job for state in _UNSETTLED for job in reversed(await source.jobs(state))]
        # One that changed its state between two questions is in both answers; the later one counts.
        now = {job["name"]: job for job in sorted(jobs, key=lambda job: job["created_at"])}
        ended = [(await source.job(name))[0] for name in self._open if name not in now]
        self._ended = {name: job for name, job in self._ended.items() if name not in now}
        self._ended |= {job["name"]: job for job in ended if settled(job)}
        self._ended = dict(list(self._ended.items())[-_MOST_ENDED:])
        self._open = [*now, *(job["name"] for job in ended if not settled(job))]
        return [*self._ended.values(), *now.values(), *(job for job in ended if not settled(job))]


def _troubles(accounts: Told) -> dict[str, str]:
    told = {account["name"]: account["detail"] or account.get("last_error") for account in accounts["accounts"]}
    return {name: error for name, error in told.items() if error}
