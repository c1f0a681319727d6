"""Whether anything of an account succeeds, and how rarely to ask while nothing does."""

from typing import Final

from orchestrator.clock import Clock
from orchestrator.platforms.calls import Exchange

LONG: Final = 900.0
"""Seconds without a success after which an account is asked ever more rarely."""
_SHARE: Final = 15
"""The pause between two requests is this part of the time for which nothing has succeeded."""
_LONGEST: Final = 900.0
_GOOD: Final = range(200, 300)


class Contact:
    """The fortune of one account's requests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failing_since: float | None = None
        self._failed_at = 0.0

    def heard(self, exchange: Exchange) -> None:
        """Note what became of a request. Only a good answer, read whole, counts as success."""
        now = self._clock.monotonic()
        if exchange.status in _GOOD and exchange.outcome == str(exchange.status):
            self._failing_since = None
            return
        if self._failing_since is None:
            self._failing_since = now
        self._failed_at = now

    @property
    def failing_since(self) -> float | None:
        """When the first request after the last success failed, on the monotonic clock; None while they succeed."""
        return self._failing_since

    @property
    def failing_for(self) -> float:
        """Seconds from that failure to the latest one; 0 while requests succeed. An idle account fails no longer."""
        return self._failed_at - self._failing_since if self._failing_since is not None else 0.0

    @property
    def rests(self) -> bool:
        """Whether nothing has succeeded for so long that one request at a time is enough."""
        return self.failing_for >= LONG

    @property
    def rest(self) -> float:
        """Seconds until the next request may go."""
        if not self.rests:
            return 0.0
        return max(0.0, self._failed_at + min(self.failing_for / _SHARE, _LONGEST) - self._clock.monotonic())
