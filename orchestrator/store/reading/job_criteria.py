"""Which jobs a list shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import JobState
from orchestrator.domain.units import DAY
from orchestrator.store.ids import least_id
from orchestrator.store.schema import LIVE_JOB, jobs, literal


@dataclass(frozen=True, slots=True)
class JobCriteria:
    """What a job must have; without any, all are listed."""

    state: JobState | None = None
    account: str | None = None
    project: str | None = None
    name: str | None = None
    """A part of the name, without regard to case."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of these."""
    since: Micros | None = None
    """Accepted at this time or later."""

    @property
    def conditions(self) -> tuple[sa.ColumnElement[bool], ...]:
        """For a query that goes through the jobs by id: what narrows the range of ids comes with its index."""
        found: list[sa.ColumnElement[bool]] = []
        if self.state is not None:
            found.append(jobs.c.state == literal(self.state))
            if not self.state.settled and self.state is not JobState.LOADING:
                found.append(LIVE_JOB)  # the partial index of unsettled jobs, of which there are few
        if self.account is not None:
            found.append(jobs.c.account == self.account)
        if self.project is not None:
            found.append(jobs.c.project == self.project)
        if self.name is not None:
            found.append(jobs.c.folded.contains(self.name.casefold(), autoescape=True))
        found += [_has_label(name, value) for name, value in sorted(self.labels.items())]
        if self.since is not None:
            # Ids ascend with time. Where the clock was set back they are ahead of it, by a day at most.
            found += [jobs.c.id >= least_id(max(0, self.since - DAY)), jobs.c.created_at >= self.since]
        return tuple(found)


def _has_label(name: str, value: str) -> sa.ColumnElement[bool]:
    """Whether the text of the labels has this pair: quotes inside of a text are escaped, so nothing else looks like it.

    `LIKE` would disregard case on SQLite.
    """
    pair = f"{msgspec.json.encode(name).decode()}:{msgspec.json.encode(value).decode()}"
    return sa.func.replace(jobs.c.labels, pair, "") != jobs.c.labels
