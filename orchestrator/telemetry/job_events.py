"""The events that concern a job as a whole."""

from dataclasses import dataclass

from orchestrator.telemetry.events import Event, Level


@dataclass(frozen=True, slots=True)
class JobPlanned(Event):
    """The rows of an earlier job became the items of a job."""

    job: str
    source: str
    """The earlier job."""
    items: int


@dataclass(frozen=True, slots=True)
class JobPlanRefused(Event):
    """No valid items can be made of the rows of an earlier job: the job is blocked until `retry` or `cancel`."""

    job: str
    reason: str

    @property
    def level(self) -> Level:
        return Level.ERROR
