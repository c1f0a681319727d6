"""How far our wall clock is from a platform's."""

from collections.abc import Iterable

from orchestrator.clock import SECOND, Clock, Micros

MOST = 60.0
"""Seconds of difference beyond which our clock cannot tell how old a key is."""


class Skew:
    """Listens to the `Date` of each answer. `Date` has whole seconds and travels, so small differences mean nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boot: Micros | None = None
        """The platform's time when our monotonic clock stood at nought: no jump of our wall clock changes that."""

    def heard(self, server_date: Micros | None) -> None:
        """An answer came with this date."""
        if server_date is not None:
            self._boot = server_date - round(self._clock.monotonic() * SECOND)

    @property
    def known(self) -> bool:
        """Whether any answer has told its date yet; until then the platform's time is taken to be ours."""
        return self._boot is not None

    @property
    def platform_now(self) -> Micros:
        """The platform's own time, as far as we know it."""
        if self._boot is None:
            return self._clock.now()
        return self._boot + round(self._clock.monotonic() * SECOND)

    @property
    def seconds(self) -> float:
        """Our clock minus the platform's."""
        return (self._clock.now() - self.platform_now) / SECOND

    @property
    def small(self) -> bool:
        """Whether our clock may be used to tell the age of what the platform keeps."""
        return abs(self.seconds) <= MOST


def any_trusted(skews: Iterable[Skew]) -> bool:
    """Whether our wall clock agrees with every platform that has told the time, and with one at least."""
    heard = [skew for skew in skews if skew.known]
    return bool(heard) and all(skew.small for skew in heard)
