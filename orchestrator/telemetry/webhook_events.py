"""The events about webhooks."""

from dataclasses import dataclass

from orchestrator.telemetry.events import Event, Level


@dataclass(frozen=True, slots=True)
class WebhookDelivered(Event):
    """A receiver accepted a notice."""

    job: str
    notice: str
    host: str
    tries: int


@dataclass(frozen=True, slots=True)
class WebhookDelayed(Event):
    """A receiver did not accept a notice; it is tried again."""

    job: str
    notice: str
    host: str
    reason: str
    retry_in_s: float

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class WebhookGivenUp(Event):
    """A notice was not delivered in all its attempts, or the receiver wants no more of it (410)."""

    job: str
    notice: str
    host: str
    reason: str
    tries: int

    @property
    def level(self) -> Level:
        return Level.ERROR
