"""What the simulated ICA remembers: analyses, samples, batches with their items, jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
class Sample:
    """Exists from the end of its item on."""

    id: str
    project: str
    name: str
    asked: dict[str, Any]
    """`sampleToCreate`, as it came."""
    timeline: Timeline
    """Of its item."""
    complete: bool
    wall: Micros
    """Wall time of its creation."""

    @property
    def tags(self) -> dict[str, list[str]]:
        given = self.asked.get("tags") or {}
        return {name: given.get(name) or [] for name in ("technicalTags", "userTags", "connectorTags", "runInTags")}


@dataclass(slots=True, eq=False)
class Item:
    """One row of a batch. A row that creates an analysis has a pipeline, and mostly an analysis."""

    id: str
    name: str
    """`userReference`, `dataId`, or the name of a sample."""
    timeline: Timeline
    detail: str | None = None
    """Why it failed; shown once it has."""
    pipeline: str = ""
    tags: Tags = field(default_factory=Tags)
    analysis: Analysis | None = None
    is_link: bool = False
    """Whether the statuses of API version 3 are fewer than those of version 4."""
    echo: dict[str, Any] | None = None
    """What its `request` shows; None: its `dataId`."""
    made: str | None = None
    """The id of the data that it made, or that was there already."""
    sample: Sample | None = None

    def status(self, now: float) -> str:
        return self.timeline.status(now)


@dataclass(slots=True, eq=False)
class Job:
    """What executes a batch."""

    id: str
    number: int
    subject_type: str
    subject_id: str
    owner: str
    """The id of its project or bundle."""
    in_bundle: bool
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
    owner: str
    """The id of its project or bundle."""
    job: Job
    listed: Sequence[Item]
    """The items that pages show, in the order of the pages."""
    items: dict[str, Item]
    """All items, by id."""
    echo: dict[str, Any] = field(default_factory=dict)
    """The parameters that the batch shows."""
