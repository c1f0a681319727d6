"""Requests to a platform and their responses, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from orchestrator.clock import Micros
from orchestrator.platforms.rate_limit.lanes import Lane
from orchestrator.platforms.rate_limit.slots import LONGEST_TIMEOUT

_UNQUOTED = frozenset("?#\\ \t\r\n")


class Effect(Enum):
    """Whether a request may be sent a second time."""

    SAFE = "safe"
    """Sending it again has no further effect; the transport repeats it when the response is lost."""
    UNSAFE = "unsafe"
    """Sending it again may create something twice; the transport never repeats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    method: str
    path: str
    """Relative to the account's base URL, with quoted parts."""
    lane: Lane
    effect: Effect
    route: str
    """Its name in logs, errors and metrics, without project or ids."""
    params: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """In no message, log or repr, as they include credentials."""
    body: bytes | None = field(default=None, repr=False)
    timeout: float = 60.0
    """Seconds from the send to the last byte of the response, without the wait for the rate limiter.

    At most `LONGEST_TIMEOUT`, as a restart assumes that no request is in flight for longer.
    """
    priority: int = 0
    """Priority within the lane; lower goes first."""
    free: bool = False
    """Whether the platform does not count it: it waits for the rate limiter, and uses up nothing."""
    answers_with_secret: bool = False
    """Whether the response is a credential. Known credentials are removed from every other response."""

    def __post_init__(self) -> None:
        if not _UNQUOTED.isdisjoint(self.path) or not {".", ".."}.isdisjoint(self.path.split("/")):
            raise ValueError(f"the path of {self.label} has parts that are not quoted")
        if not 0 < self.timeout <= LONGEST_TIMEOUT:
            raise ValueError(f"the time-out of {self.label} is not above 0 and up to {LONGEST_TIMEOUT:g} seconds")

    @property
    def label(self) -> str:
        """Method and route, for messages."""
        return self.route if self.route.startswith(f"{self.method} ") else f"{self.method} {self.route}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx response that was read completely."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes = field(repr=False)
    server_date: Micros | None
    """The platform's `Date`."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that was granted a slot, for logs and metrics; a repeated call makes several."""

    route: str
    lane: Lane
    outcome: str
    """The HTTP status, or the name of the error."""
    status: int | None
    waited: float
    """Seconds of waiting for the rate limiter."""
    seconds: float
    """Seconds from the send to the end of the response or to the failure."""
    server_date: Micros | None
    """The `Date` of the response, if any."""
