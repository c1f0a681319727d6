"""The errors of requests to a platform.

    PlatformError
    ├── Transient        the platform or the network failed; the same request may succeed later
    │   ├── Throttled    the platform asks to wait
    │   └── TimedOut     no response within the time-out of the request
    ├── Unconfirmed      the request may or may not have taken effect: the response was lost
    │   ├── StillRunning     the platform is still executing the first request under this key
    │   └── KeyConflict      the platform has another request under this key
    ├── Refused          the platform refused the request; the same request will be refused again
    │   └── Missing      the object of the request does not exist
    ├── Unattributed     the platform has what a batch would do, and nothing says whether it was this batch
    └── Unauthorised     the account cannot be used: the credential is not accepted
        ├── WrongAddress     the server at the address is not the platform
        └── SharedUser       another account acts as the same user

The message of each names the request and the response. No error becomes an item's status.
"""

import traceback
from dataclasses import dataclass, field


class OrchestratorError(Exception):
    """The base class of all errors that this program raises on purpose."""


def leaves(error: BaseException) -> list[BaseException]:
    """The errors of a group and its nested groups; any other error as the only element."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in leaves(each)]


def described(error: Exception) -> str:
    """The messages of an error or group, one per line; with a traceback when any is not an `OrchestratorError`."""
    found = leaves(error)
    if all(isinstance(each, OrchestratorError) for each in found):
        return "\n".join(dict.fromkeys(map(str, found)))
    return "".join(traceback.format_exception(error))


@dataclass(eq=False)
class PlatformError(OrchestratorError):
    """A request failed."""

    message: str
    """One line: the request, the host and the response."""
    status: int | None = None
    """The HTTP status, if any."""
    code: str | None = None
    """The platform's error code or title."""
    detail: str | None = None
    """The platform's explanation."""
    server_date: int | None = None
    """The platform's `Date` in microseconds UTC, if any."""
    body: bytes = field(default=b"", repr=False)
    """The beginning of the response as received, for adapters that read more of it; in no message or log."""

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False)
class Transient(PlatformError):
    """A temporary failure: the request may be retried later."""


@dataclass(eq=False)
class Throttled(Transient):
    """Refused by a rate limit (429) or for maintenance; the request had no effect."""

    retry_after: float | None = None
    """Seconds the platform asks us to wait, when it says."""
    whole_account: bool = False
    """True when the platform declines every request, as during maintenance."""


@dataclass(eq=False)
class TimedOut(Transient):
    """No response within the time-out. Not retried at once, as that would take as long again."""


@dataclass(eq=False)
class Unconfirmed(PlatformError):
    """The request may have taken effect; reconciliation determines whether it did."""

    by_platform: bool = False
    """True when the platform itself wrote a 5xx, so nothing is stored under an idempotency key."""


@dataclass(eq=False)
class StillRunning(Unconfirmed):
    """The platform is still executing the first request under this key."""


@dataclass(eq=False)
class KeyConflict(Unconfirmed):
    """The platform has another request under this key: something was created that must be found first."""


@dataclass(eq=False)
class Refused(PlatformError):
    """Refused without effect."""


@dataclass(eq=False)
class Missing(Refused):
    """The object of the request does not exist, or is not visible to this credential."""


@dataclass(eq=False)
class NeverRan(Refused):
    """Refused, and the platform shows that no earlier request to do the same had an effect either."""


@dataclass(eq=False)
class Unattributed(PlatformError):
    """The platform has exactly what a batch would do, of which there is no record: the operator has to decide."""


@dataclass(eq=False)
class Unauthorised(PlatformError):
    """The credential was rejected, or the account cannot be used for another reason; the request had no effect."""


@dataclass(eq=False)
class WrongAddress(Unauthorised):
    """The configured address is not the platform's API, but a web page, a login or nothing."""


@dataclass(eq=False)
class SharedUser(Unauthorised):
    """The account's key belongs to the same user as that of another account."""
