"""One request on its way through the simulated ICA."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.simulator import operations
from orchestrator.simulator.exchange import Reply, Request
from orchestrator.simulator.faults import Fault, FaultKind
from orchestrator.simulator.ica.protocol.media import VERSIONED, Media
from orchestrator.simulator.ica.protocol.problems import NOT_FOUND, Problem
from orchestrator.simulator.ica.protocol.tokens import Identity
from orchestrator.simulator.ica.quirks import STALE

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
    def in_bundle(self) -> bool:
        return "bundle" in self.ids

    @property
    def owner(self) -> str:
        """The id of the project or bundle."""
        return self.ids["bundle"] if self.in_bundle else self.project

    @property
    def at(self) -> float:
        """The instant that the answer describes: now, or the past when a fault makes the answer stale."""
        return self.now - self.fault.seconds if self.strikes(STALE) and self.fault else self.now

    def strikes(self, quirk: str) -> bool:
        return self.fault is not None and self.fault.kind is FaultKind.QUIRK and self.fault.quirk == quirk

    def json(self, body: bytes, status: int = 200, **headers: str) -> Reply:
        """An answer in the version that was asked for."""
        return Reply(status, body, VERSIONED[self.version], headers)


@dataclass(frozen=True, slots=True)
class Operation(operations.Operation[Asked]):
    """One endpoint, with the media types that it takes and gives."""

    media: Media
    keyed: bool = field(default=False, kw_only=True)
    """Whether it heeds `Idempotency-Key`."""


def known(row: Row | None, what: str) -> Row:
    """The row, or Problem 404."""
    if row is None:
        raise Problem(NOT_FOUND, f"{what} was not found")
    return row
