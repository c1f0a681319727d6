"""Tracks whether requests of an account succeed, and limits attempts while none does."""

from dataclasses import dataclass
from typing import Final

from orchestrator.clock import Clock, Micros
from orchestrator.platforms.http.calls import Exchange

LONG: Final = 900.0
"""Seconds without a success after which requests become rarer."""
_SHARE: Final = 15
"""The pause between two requests is the time without a success divided by this."""
_LONGEST: Final = 900.0
"""Maximum seconds of that pause."""
_BREAK: Final = 3600.0
"""Seconds without a request after which a failure is the first again: nothing was sent, so nothing failed meanwhile."""
_GOOD: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class LatestRequest:
    """The request of an account that ended last."""

    at: Micros
    """When it ended, by the local clock."""
    route: str
    outcome: str
    """The HTTP status, or the name of the error."""


class Contact:
    """The outcome of one account's latest requests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failing_since: float | None = None
        self._failed_at = 0.0
        self.latest: LatestRequest | None = None
        """None before the first request of this process."""

    def heard(self, exchange: Exchange) -> None:
        """Record the outcome of a request. Only a 2xx response that was read completely counts as success."""
        now = self._clock.monotonic()
        self.latest = LatestRequest(self._clock.now(), exchange.route, exchange.outcome)
        if exchange.status in _GOOD and exchange.outcome == str(exchange.status):
            self._failing_since = None
            return
        if self._failing_since is None or now - self._failed_at > _BREAK:
            self._failing_since = now
        self._failed_at = now

    @property
    def failing_since(self) -> float | None:
        """When the first of the failures in a row came, on the monotonic clock; None while requests succeed."""
        return self._failing_since

    @property
    def failing_for(self) -> float:
        """Seconds from that failure to the latest one, so constant while idle; 0 while requests succeed."""
        return self._failed_at - self._failing_since if self._failing_since is not None else 0.0

    @property
    def rests(self) -> bool:
        """Whether no request has succeeded for so long that one at a time is enough."""
        return self.failing_for >= LONG

    @property
    def rest(self) -> float:
        """Seconds until the next request may be sent."""
        if not self.rests:
            return 0.0
        return max(0.0, self._failed_at + min(self.failing_for / _SHARE, _LONGEST) - self._clock.monotonic())
