"""What the simulated ICA remembers: analyses, links, batches with their items, jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.clock import Micros
from orchestrator.simulator.ica.work.lifecycle import FINAL_ANALYSIS, Timeline

if TYPE_CHECKING:
    from orchestrator.simulator.ica.work.workflow_sessions import WorkflowSession


@dataclass(frozen=True, slots=True)
class Tags:
    technical: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Analysis:
    """Exists from the beginning of its timeline on; only an abort changes it."""

    id: str
    number: int
    """Its place among the analyses of its project."""
    project: str
    user: str
    user_reference: str
    pipeline: str
    language: str
    tags: Tags
    timeline: Timeline
    wall: Micros
    """Wall time at the beginning of the timeline."""
    rendered: tuple[int, bytes] | None = None
    """The changing part of its JSON at a stage of the timeline."""
    session: WorkflowSession | None = None
    """What orchestrates it."""

    def status(self, now: float) -> str:
        return self.timeline.status(now)

    def exists(self, now: float) -> bool:
        return now >= self.timeline.begins

    def ended(self, now: float) -> bool:
        return self.status(now) in FINAL_ANALYSIS

    def wall_at(self, instant: float) -> Micros:
        return self.wall + round((instant - self.timeline.begins) * 1_000_000)

    @property
    def reference(self) -> str:
        return f"{self.user_reference[:218]}-{self.id}"


@dataclass(slots=True, eq=False)
class Item:
    """One row of a batch. A creation row has a pipeline and mostly an analysis, a link row neither."""

    id: str
    name: str
    """`userReference` or `dataId`."""
    timeline: Timeline
    detail: str | None = None
    """Why it failed, told once it has."""
    pipeline: str = ""
    tags: Tags = field(default_factory=Tags)
    analysis: Analysis | None = None
    is_link: bool = False

    def status(self, now: float) -> str:
        return self.timeline.status(now)


@dataclass(slots=True, eq=False)
class Job:
    """What executes a batch."""

    id: str
    number: int
    subject_type: str
    subject_id: str
    project: str
    user: str
    timeline: Timeline
    wall: Micros

    def status(self, now: float) -> str:
        return self.timeline.status(now)

    def wall_at(self, instant: float) -> Micros:
        return self.wall + round((instant - self.timeline.begins) * 1_000_000)


@dataclass(slots=True, eq=False)
class Batch:
    """One submission."""

    id: str
    project: str
    job: Job
    listed: Sequence[Item]
    """The items that pages show, in the order of the pages."""
    items: dict[str, Item]
    """All items, by id."""
