"""What is asked of a platform over HTTP, and what comes back. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from orchestrator.clock import Micros
from orchestrator.platforms.lanes import Lane
from orchestrator.platforms.slots import LONGEST_TIMEOUT

_UNQUOTED = frozenset("?#\\ \t\r\n")


class Effect(Enum):
    """What sending a request a second time may do."""

    SAFE = "safe"
    """Nothing more than the first time; it is repeated when its answer is lost."""
    UNSAFE = "unsafe"
    """It may create something again; whether it is repeated is not for the transport to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    method: str
    path: str
    """Relative to the account's base URL, its parts quoted."""
    lane: Lane
    effect: Effect
    route: str
    """Its name in logs, errors and metrics: one for all projects and ids."""
    params: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Repeated in no message, log or repr: credentials are among them."""
    body: bytes | None = field(default=None, repr=False)
    timeout: float = 60.0
    """Seconds from the send to the last byte of the answer; the wait for the budget is not part of it.

    At most `LONGEST_TIMEOUT`: a restart trusts no slot to be held for longer.
    """
    priority: int = 0
    """Place inside the lane; lower goes first."""
    answers_with_secret: bool = False
    """Whether the answer is a credential: it is read as it came. Every other answer is read without our credentials."""

    def __post_init__(self) -> None:
        if not _UNQUOTED.isdisjoint(self.path) or not {".", ".."}.isdisjoint(self.path.split("/")):
            raise ValueError(f"the path of {self.label} has parts that are not quoted")
        if not 0 < self.timeout <= LONGEST_TIMEOUT:
            raise ValueError(f"the time-out of {self.label} is not above 0 and up to {LONGEST_TIMEOUT:g} seconds")

    @property
    def label(self) -> str:
        """Method and route, for people."""
        return self.route if self.route.startswith(f"{self.method} ") else f"{self.method} {self.route}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes = field(repr=False)
    server_date: Micros | None
    """The platform's `Date`."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that had its slot, for logs and metrics; a repeated call makes several."""

    route: str
    lane: Lane
    outcome: str
    """The HTTP status, or the word for what went wrong."""
    status: int | None
    waited: float
    """Seconds in the queue for the budget."""
    seconds: float
    """Seconds from the send to the end of the answer, or to the failure."""
    server_date: Micros | None
    """The platform's `Date`, where an answer came and told it."""
