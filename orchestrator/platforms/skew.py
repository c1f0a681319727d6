"""How far our wall clock is from a platform's."""

from orchestrator.clock import SECOND, Clock, Micros

MOST = 60.0
"""Seconds of difference beyond which our clock cannot tell how old a key is."""


class Skew:
    """Listens to the `Date` of each answer. `Date` has whole seconds and travels, so small differences mean nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds = 0.0
        """Our clock minus the platform's, at the last answer that told its date."""

    def heard(self, server_date: Micros | None) -> None:
        """An answer came with this date."""
        if server_date is not None:
            self.seconds = (self._clock.now() - server_date) / SECOND

    @property
    def platform_now(self) -> Micros:
        """The platform's own time, as far as we know it."""
        return self._clock.now() - round(self.seconds * SECOND)

    @property
    def small(self) -> bool:
        """Whether our clock may be used to tell the age of what the platform keeps."""
        return abs(self.seconds) <= MOST
