"""One request on its way through the simulated ICA."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.simulator.exchange import Reply, Request
from orchestrator.simulator.faults import Fault, FaultKind
from orchestrator.simulator.ica.media import VERSIONED, Media
from orchestrator.simulator.ica.problems import NOT_FOUND, Problem
from orchestrator.simulator.ica.tokens import Identity

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operation needs to know of the request that it answers."""

    request: Request
    ids: Mapping[str, str]
    """From the path."""
    identity: Identity
    version: int
    now: float
    key: str | None = None
    fault: Fault | None = None

    @property
    def user(self) -> str:
        return self.identity.user

    @property
    def project(self) -> str:
        return self.ids["project"]

    @property
    def at(self) -> float:
        """The instant that the answer tells of: now, or the past when a fault makes the answer stale."""
        return self.now - self.fault.seconds if self.strikes(FaultKind.STALE) and self.fault else self.now

    def strikes(self, kind: FaultKind) -> bool:
        return self.fault is not None and self.fault.kind is kind

    def json(self, body: bytes, status: int = 200, **headers: str) -> Reply:
        """An answer in the version that was asked for."""
        return Reply(status, body, VERSIONED[self.version], headers)


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint."""

    name: str
    method: str
    path: str
    """With `{names}` for ids."""
    answer: Callable[[Asked], Reply]
    media: Media
    public: bool = False
    """Whether it needs no credential, or judges credentials itself."""
    keyed: bool = False
    """Whether it heeds `Idempotency-Key`."""


def known(row: Row | None, what: str) -> Row:
    """The row, or Problem 404."""
    if row is None:
        raise Problem(NOT_FOUND, f"{what} was not found")
    return row
