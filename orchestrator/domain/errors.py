"""What can go wrong between us and a platform.

    PlatformError
    ├── Transient        the platform or the network failed; the same request may succeed later
    │   ├── Throttled    the platform asks us to wait until a given time
    │   └── TimedOut     nothing came within the time that the request was given
    ├── Unconfirmed      the request may or may not have taken effect: the answer was lost
    │   ├── StillRunning     the platform says that the first request under this key is still running
    │   └── KeyConflict      the platform holds another request under this key
    ├── Refused          the platform understood and said no; the same request will be refused again
    │   └── Missing      what the request named is not there
    └── Unauthorised     the account cannot be used: the credential is not accepted
        ├── WrongAddress     what answers at the address is not the platform
        └── SharedUser       another account acts as the same user

Each carries what a person needs: what was asked, what was answered. None of them ever becomes an item's status.
"""

import traceback
from dataclasses import dataclass


class OrchestratorError(Exception):
    """The root of the errors that this program raises on purpose."""


def leaves(error: BaseException) -> list[BaseException]:
    """The errors that a group holds, however deeply task groups have nested it; any other error is its own leaf."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in leaves(each)]


def described(error: Exception) -> str:
    """The messages of errors that are raised on purpose, one a line; a traceback where any other is among them."""
    found = leaves(error)
    if all(isinstance(each, OrchestratorError) for each in found):
        return "\n".join(dict.fromkeys(map(str, found)))
    return "".join(traceback.format_exception(error))


@dataclass(eq=False)
class PlatformError(OrchestratorError):
    """A request that did not bring what it asked for."""

    message: str
    """One line for people: what was asked of whom, and what came back."""
    status: int | None = None
    """The HTTP status, where there was one."""
    code: str | None = None
    """The platform's own error code or title."""
    detail: str | None = None
    """The platform's own explanation."""
    server_date: int | None = None
    """The platform's `Date`, microseconds UTC, where it sent one."""

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False)
class Transient(PlatformError):
    """Failed, with no lasting meaning: ask again, later."""


@dataclass(eq=False)
class Throttled(Transient):
    """Refused for want of budget (429) or for maintenance; nothing was done."""

    retry_after: float | None = None
    """Seconds the platform asks us to wait, when it says."""
    whole_account: bool = False
    """True when the platform declines every request, as during maintenance."""


@dataclass(eq=False)
class TimedOut(Transient):
    """No answer within the time. Asked again at once it would only take as long once more."""


@dataclass(eq=False)
class Unconfirmed(PlatformError):
    """The request may have taken effect; nothing tells but asking."""

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
    """Understood and declined, without effect."""


@dataclass(eq=False)
class Missing(Refused):
    """What the request named does not exist, or is not shown to this credential."""


@dataclass(eq=False)
class Unauthorised(PlatformError):
    """The credential was refused, or the account cannot be used for another reason; nothing was done."""


@dataclass(eq=False)
class WrongAddress(Unauthorised):
    """A web page, a login or nothing at all is where the platform should be."""


@dataclass(eq=False)
class SharedUser(Unauthorised):
    """The account's key belongs to a user for whom another account works."""
