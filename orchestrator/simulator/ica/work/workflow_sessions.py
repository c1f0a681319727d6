"""Workflow sessions: what ICA launches by itself when a sequencing run ends, and the analyses of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from orchestrator.clock import Micros
from orchestrator.simulator.ica.knobs import Knobs
from orchestrator.simulator.ica.work import lifecycle
from orchestrator.simulator.ica.work.entities import Analysis, Tags
from orchestrator.simulator.ica.work.lifecycle import Timeline
from orchestrator.simulator.ica.work.outcomes import Outcome, fate_of

_FIRST, _LAST = 0.1, 0.9
"""The shares of a session's duration between which its analyses run."""


@dataclass(slots=True, eq=False)
class WorkflowSession:
    """Exists from the beginning of its timeline on."""

    id: str
    number: int
    project: str
    user: str
    user_reference: str
    workflow: str
    """The id of what it runs."""
    tags: Tags
    timeline: Timeline
    wall: Micros
    """Wall time at the beginning of the timeline."""
    analyses: list[Analysis] = field(default_factory=list)
    rendered: tuple[int, bytes] | None = None
    """Its JSON at a stage of the timeline."""

    def status(self, now: float) -> str:
        return self.timeline.status(now)

    def exists(self, now: float) -> bool:
        return now >= self.timeline.begins

    def wall_at(self, instant: float) -> Micros:
        return self.wall + round((instant - self.timeline.begins) * 1_000_000)


class WorkflowSessions:
    """The sessions of all projects."""

    def __init__(self) -> None:
        self._by_id: dict[str, WorkflowSession] = {}
        self._projects: dict[str, dict[str, WorkflowSession]] = {}

    def __iter__(self) -> Iterator[WorkflowSession]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, session: WorkflowSession) -> None:
        self._by_id[session.id] = session
        self._projects.setdefault(session.project, {})[session.id] = session

    def get(self, project: str, session_id: str) -> WorkflowSession | None:
        session = self._by_id.get(session_id)
        return session if session is not None and session.project == project else None

    def of_project(self, project: str) -> Sequence[WorkflowSession]:
        """Oldest first."""
        return list(self._projects.get(project, {}).values())

    def remove(self, session_id: str) -> None:
        """Forget a session, as when somebody deletes it."""
        session = self._by_id.pop(session_id)
        del self._projects[session.project][session_id]


def course(begins: float, user_reference: str, knobs: Knobs, seed: int) -> Timeline:
    """The timeline of a session; its name decides how it ends, as an analysis's does."""
    fate = fate_of(user_reference)
    pace = lifecycle.pace_of(user_reference, fate, knobs, seed)
    return lifecycle.analysis(begins, fate, pace, knobs, seconds=knobs.session_seconds)


def course_within(session: Timeline, name: str, share: float, knobs: Knobs, seed: int) -> Timeline:
    """The timeline of an analysis of a session: it begins after the session, and ends before it does.

    The words of its own name decide how it ends. `share` (0 to 1) is its place among the session's analyses: a later
    one begins later.
    """
    fate = fate_of(name)
    ends = session.ends if session.ends < float("inf") else session.begins + knobs.session_seconds
    seconds = (ends - session.begins) * (_LAST - _FIRST)
    begins = session.begins + (ends - session.begins) * _FIRST + seconds * 0.5 * share
    room = session.begins + (ends - session.begins) * _LAST - begins
    waiting = knobs.await_seconds if fate.outcome is Outcome.AWAIT else 0.0
    pace = lifecycle.pace_of(f"{name}{share}", fate, knobs, seed)
    return lifecycle.analysis(begins, fate, 1.0, knobs, seconds=max(0.0, room - waiting) * min(1.0, 0.8 * pace))
