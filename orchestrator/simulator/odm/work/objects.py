"""What the simulated ODM remembers: studies with their versions, tasks, import jobs, audit events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.clock import Micros
from orchestrator.simulator.odm.work.naming import Fate
from orchestrator.simulator.outcomes.timeline import Timeline


@dataclass(slots=True, eq=False, kw_only=True)
class Version:
    """One published version of a study, listed from an instant on."""

    number: int
    message: str
    author: str
    shown: float
    wall: Micros


@dataclass(slots=True, eq=False, kw_only=True)
class Study:
    """A study; publishing takes the changes that there are when the call arrives."""

    accession: str
    changed: bool
    versions: list[Version] = field(default_factory=list)


@dataclass(slots=True, eq=False, kw_only=True)
class Task:
    """One task."""

    id: str
    name: str
    user: str
    course: Timeline
    created: float
    wall: Micros

    def wall_at(self, instant: float) -> Micros:
        return self.wall + round((instant - self.created) * 1_000_000)


@dataclass(slots=True, eq=False, kw_only=True)
class Execution:
    """One run of an import job."""

    id: int
    type: str
    name: str
    """The link by which the client calls it."""
    user: str
    fate: Fate
    asked: Mapping[str, Any]
    """What the client sent."""
    accession: str
    """Of what it makes."""
    course: Timeline
    created: float
    wall: Micros

    def wall_at(self, instant: float) -> Micros:
        return self.wall + round((instant - self.created) * 1_000_000)


@dataclass(slots=True, eq=False, kw_only=True)
class Instance:
    """All executions of one import: the same links once more are the same instance."""

    executions: list[Execution] = field(default_factory=list)


@dataclass(slots=True, eq=False, kw_only=True)
class AuditEvent:
    """One record of the audit log."""

    id: str
    study: str
    message: str
    user: str
    at: float
    wall: Micros
