"""One request on its way through the simulated Seven Bridges."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from orchestrator.clock import Micros
from orchestrator.simulator import operations
from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, NOT_FOUND, Refusal
from orchestrator.simulator.sevenbridges.protocol.selecting import selected
from orchestrator.simulator.sevenbridges.protocol.times import iso
from orchestrator.simulator.sevenbridges.quirks import STALE
from orchestrator.simulator.simulated import Arrival, Identity

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operation needs to know of the request that it answers."""

    arrival: "Arrival[Operation, Identity]"
    ids: Mapping[str, str]
    """From the path."""
    base_url: str
    """Where the API begins, as the client calls it."""

    @property
    def user(self) -> str:
        return self.arrival.identity.user

    @property
    def now(self) -> float:
        return self.arrival.now

    @property
    def at(self) -> float:
        """The instant that the answer is about: now, or the past when a quirk makes the answer stale."""
        fault = self.arrival.fault
        return self.now - fault.seconds if fault is not None and self.strikes(STALE) else self.now

    def strikes(self, quirk: str) -> bool:
        return self.arrival.strikes(quirk)

    def query(self, name: str) -> str | None:
        """The last value of a parameter."""
        values = self.arrival.request.query.get(name)
        return values[-1] if values else None

    def all_of(self, name: str) -> frozenset[str]:
        """All values of a parameter that may be repeated."""
        return frozenset(self.arrival.request.query.get(name, ()))

    def flag(self, name: str) -> bool | None:
        """A boolean parameter, however it is capitalised."""
        value = self.query(name)
        return None if value is None else value.lower() == "true"

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent; `null` and nothing count as empty. Raises Refusal 400."""
        raw = self.arrival.request.body
        if not raw.strip():
            return {}
        try:
            document = msgspec.json.decode(raw)
        except msgspec.DecodeError as error:
            raise Refusal(BAD_REQUEST, f"Malformed request body: {error}") from None
        if document is None:
            return {}
        if not isinstance(document, dict):
            raise Refusal(BAD_REQUEST, "The request body must be an object.")
        return document

    def json(self, document: Mapping[str, Any], status: int = 200) -> Reply:
        """An answer, with the fields that were asked for."""
        return Reply(status, msgspec.json.encode(selected(document, self.query("fields"))))

    def href(self, path: str) -> str:
        return f"{self.base_url}{path}"


@dataclass(frozen=True, slots=True)
class Operation(operations.Operation[Asked]):
    """One endpoint."""


def known(thing: Thing | None, message: str, code: int) -> Thing:
    """The thing, or Refusal 404 with that code."""
    if thing is None:
        raise Refusal(NOT_FOUND, message, code)
    return thing


def time_or_none(micros: Micros | None) -> str | None:
    return None if micros is None else iso(micros)
