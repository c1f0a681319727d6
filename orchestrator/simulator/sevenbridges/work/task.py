"""A task: a draft until it is run; with children where it is a batch task."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.clock import Micros
from orchestrator.simulator.outcomes.timeline import Timeline
from orchestrator.simulator.sevenbridges.work import courses
from orchestrator.simulator.sevenbridges.work.naming import Fate

COUNTED = {"QUEUED": "queued", "RUNNING": "running", "COMPLETED": "completed", "FAILED": "failed", "ABORTED": "aborted"}
"""The statuses that a batch task counts its children by, and the names of the counts."""


@dataclass(slots=True, eq=False, kw_only=True)
class Task:
    """Its status follows from its course, that of a batch task from its children."""

    id: str
    number: int
    user: str
    name: str
    project: str
    app: str
    asked: Mapping[str, Any]
    """What the client sent."""
    fate: Fate
    created: float
    wall: Micros
    batch: bool = False
    parent: "Task | None" = None
    origin: str | None = None
    """The automation run that made it."""
    group: Mapping[str, Any] | None = None
    """Which part of its parent's input it works on."""
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    started: float | None = None
    """When it was run; None: it is a draft."""
    course: Timeline | None = None
    """Of a batch task only its own beginning, and its end where it was aborted."""
    children: list["Task"] = field(default_factory=list)

    def exists(self, now: float) -> bool:
        return self.created <= now

    def status(self, now: float, parent_end: str) -> str:
        """The status in force; `parent_end` is the knob."""
        if self.started is None or self.course is None or now < self.started:
            return "DRAFT"
        status = self.course.status(now)
        if not self.batch or status in {"CREATING", "ABORTING", "ABORTED"}:
            return status
        return _from_children([child.status(now, parent_end) for child in self.children], parent_end)

    def end(self, parent_end: str) -> float:
        """When its final status begins; infinity where there is none."""
        if self.course is None:
            return float("inf")
        if self.batch and self.course.statuses[-1] != "ABORTED":
            return max((child.end(parent_end) for child in self.children), default=self.course.instants[-1])
        return courses.end_of(self.course)

    def counts(self, now: float, parent_end: str) -> Mapping[str, int]:
        """Of a batch task: its children that are there, by status."""
        there = [child.status(now, parent_end) for child in self.children if child.exists(now)]
        counted = Counter(COUNTED.get(status, "running") for status in there)
        return {name: counted[name] for name in COUNTED.values()}

    def wall_at(self, instant: float) -> Micros:
        return self.wall + round((instant - self.created) * 1_000_000)


def _from_children(statuses: Sequence[str], parent_end: str) -> str:
    if any(status not in courses.FINAL_TASK for status in statuses):
        return "RUNNING" if any(status != "QUEUED" for status in statuses) else "QUEUED"
    failed = [status != "COMPLETED" for status in statuses]
    if parent_end == "failed_if_any":
        return "FAILED" if any(failed) else "COMPLETED"
    if parent_end == "failed_if_all":
        return "FAILED" if failed and all(failed) else "COMPLETED"
    return "COMPLETED"
