"""Measures the difference between the local wall clock and a platform's."""

from collections.abc import Iterable

from orchestrator.clock import SECOND, Clock, Micros

MOST = 60.0
"""Maximum seconds of difference with which the local clock can be used to compute the age of a key."""


class Skew:
    """Compares the local clock with the `Date` header of responses, which has whole seconds and includes latency."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boot: Micros | None = None
        """The platform's time when the local monotonic clock was 0; setting the wall clock does not change it."""

    def heard(self, server_date: Micros | None) -> None:
        """Record the `Date` of a response."""
        if server_date is not None:
            self._boot = server_date - round(self._clock.monotonic() * SECOND)

    @property
    def known(self) -> bool:
        """Whether a response had a date; until then the local time is used for the platform's."""
        return self._boot is not None

    @property
    def platform_now(self) -> Micros:
        """The platform's time; the local time while it is not known."""
        if self._boot is None:
            return self._clock.now()
        return self._boot + round(self._clock.monotonic() * SECOND)

    @property
    def seconds(self) -> float:
        """The local clock minus the platform's."""
        return (self._clock.now() - self.platform_now) / SECOND

    @property
    def small(self) -> bool:
        """Whether the local clock may be used to compute the age of an idempotency key."""
        return abs(self.seconds) <= MOST


def any_trusted(skews: Iterable[Skew]) -> bool:
    """Whether the local clock agrees with every platform whose time is known, and at least one is."""
    known = [skew for skew in skews if skew.known]
    return bool(known) and all(skew.small for skew in known)
