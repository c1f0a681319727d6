"""Closes an account while the platform does not accept its credential, and opens it again."""

import math
from enum import StrEnum

from orchestrator.clock import Clock
from orchestrator.domain.errors import SharedUser, Unauthorised, WrongAddress
from orchestrator.domain.polling.backoff import doubled
from orchestrator.engine.retry_delays import RetryDelays
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import CredentialAccepted, CredentialRejected, Event

_FIRST_CLOSED, MAX_CLOSED = 2.0, 900.0
"""First and maximum seconds between two requests of an account that only a changed configuration can open."""


class Cause(StrEnum):
    """Why an account is closed."""

    CREDENTIAL = "credential"
    """The platform rejects the credential. A key file is read again before each attempt."""
    ADDRESS = "address"
    """The server at `base_url` is not the platform."""
    USER = "user"
    """Another account acts as the same user."""


class AccountGate:
    """Open or closed. Each rejection closes the account for a longer time; the first success opens it.

    After the delay one step at a time may try again. Until that step succeeds, the account counts as refused.
    """

    def __init__(
        self, account: str, *, max_delay: float, clock: Clock, bus: Bus[Event], retry_delays: RetryDelays
    ) -> None:
        """`max_delay`: maximum seconds between two attempts with a rejected credential."""
        self._account = account
        self._max_delay = max_delay
        self._clock = clock
        self._bus = bus
        self._retry_delays = retry_delays
        self._rejections = 0
        self._closed_until = -math.inf
        self.refused_since: float | None = None
        """When the first of the rejections came, on the monotonic clock; None while the credential is accepted."""
        self.reason: str | None = None
        """Why the account is closed and what to do, for operators; None while the credential is accepted."""
        self.cause: Cause | None = None
        """The kind of reason; None while the credential is accepted."""

    @property
    def refused(self) -> bool:
        """Whether the last step that the platform answered was rejected."""
        return self.refused_since is not None

    @property
    def refused_for(self) -> float:
        """Seconds since the first of the rejections; 0 while the credential is accepted."""
        return self._clock.monotonic() - self.refused_since if self.refused_since is not None else 0.0

    @property
    def closed_for(self) -> float:
        """Seconds until the next attempt; not positive when one may be made now."""
        return self._closed_until - self._clock.monotonic()

    def close(self, rejection: Unauthorised) -> None:
        """Close the account after a rejection. Rejections of other steps in flight at that time change nothing."""
        if self.closed_for > 0:
            return
        now = self._clock.monotonic()
        if self.refused_since is None:
            self.refused_since = now
        self._rejections += 1
        self.cause, self.reason = _cause_of(rejection), str(rejection)
        if self.cause is Cause.CREDENTIAL:
            delay = min(self._retry_delays(self._rejections), self._max_delay)
            self.reason += "; put a valid key in place of the account's: a file is read again"
        else:  # only a changed configuration helps
            delay = doubled(_FIRST_CLOSED, self._rejections, MAX_CLOSED)
        self._closed_until = now + delay
        self._bus.publish(CredentialRejected(self._account, self.reason, delay))

    def open(self) -> bool:
        """Open the account after a success; returns whether it had been refused."""
        if not self.refused:
            return False
        self._rejections, self._closed_until = 0, -math.inf
        self.refused_since = self.reason = self.cause = None
        self._bus.publish(CredentialAccepted(self._account))
        return True


def _cause_of(rejection: Unauthorised) -> Cause:
    match rejection:
        case WrongAddress():
            return Cause.ADDRESS
        case SharedUser():
            return Cause.USER
        case _:
            return Cause.CREDENTIAL
