"""What the simulated Seven Bridges remembers: files, transfers, jobs with their rows, automation runs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.clock import Micros
from orchestrator.simulator.outcomes.timeline import Timeline
from orchestrator.simulator.sevenbridges.work.task import Task


@dataclass(slots=True, eq=False, kw_only=True)
class File:
    """A file of a project, there from one instant to another."""

    id: str
    name: str
    project: str
    parent: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    created: float
    wall: Micros
    deleted: float = math.inf
    exported: bool = False
    """Whether it lies on a volume, as the alias that an export without `copy_only` leaves."""

    def exists(self, now: float) -> bool:
        return self.created <= now < self.deleted


@dataclass(slots=True, eq=False, kw_only=True)
class Transfer:
    """One import or export."""

    id: str
    number: int
    kind: str
    """`import` or `export`."""
    user: str
    asked: Mapping[str, Any]
    """What the client sent."""
    volume: str
    project: str
    course: Timeline
    created: float
    wall: Micros
    error: Mapping[str, Any] | None = None
    file: File | None = None
    """What it makes, or what it exports."""


@dataclass(slots=True, eq=False, kw_only=True)
class FileJob:
    """An asynchronous file job, or a DRS import: its rows are shown once it has ended."""

    id: str
    number: int
    type: str
    """COPY, MOVE, DELETE or DRS."""
    user: str
    course: Timeline
    created: float
    wall: Micros
    rows: list[Mapping[str, Any]]
    names: dict[str, bool]
    """Whether each item, by the client's name of it, succeeds."""

    def wall_at(self, instant: float) -> Micros:
        return self.wall + round((instant - self.created) * 1_000_000)


@dataclass(slots=True, eq=False, kw_only=True)
class AutomationRun:
    """One run of an automation."""

    id: str
    number: int
    name: str
    user: str
    project: str
    asked: Mapping[str, Any]
    course: Timeline
    created: float
    wall: Micros
    tasks: list[Task] = field(default_factory=list)

    def wall_at(self, instant: float) -> Micros:
        return self.wall + round((instant - self.created) * 1_000_000)
