"""One request on its way through the simulated ODM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from orchestrator.simulator import operations
from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.odm.protocol.errors import BAD_REQUEST, Refusal
from orchestrator.simulator.odm.quirks import STALE
from orchestrator.simulator.simulated import Arrival, Identity


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operation needs to know of the request that it answers."""

    arrival: "Arrival[Operation, Identity]"
    ids: Mapping[str, str]
    """From the path."""

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
        return self.now - fault.seconds if fault is not None and self.arrival.strikes(STALE) else self.now

    def query(self, name: str) -> str | None:
        """The last value of a parameter."""
        values = self.arrival.request.query.get(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        """A boolean parameter, however it is capitalised."""
        return (self.query(name) or "").lower() == "true"

    def number(self, name: str, default: int, most: int) -> int:
        """A parameter from 0 to `most`; raises Refusal 400."""
        text = self.query(name)
        if text is None:
            return default
        if not text.isdecimal() or int(text) > most:
            raise Refusal(BAD_REQUEST, f"{name} must be between 0 and {most}")
        return int(text)

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent; raises Refusal 400."""
        try:
            document = msgspec.json.decode(self.arrival.request.body or b"{}")
        except msgspec.DecodeError as error:
            raise Refusal(BAD_REQUEST, f"Malformed request body: {error}") from None
        if not isinstance(document, dict):
            raise Refusal(BAD_REQUEST, "The request body must be an object.")
        return document


@dataclass(frozen=True, slots=True)
class Operation(operations.Operation[Asked]):
    """One endpoint."""


def json(document: object) -> Reply:
    """An answer of status 200; what is None in an object is left out."""
    if isinstance(document, dict):
        document = {name: value for name, value in document.items() if value is not None}
    return Reply(200, msgspec.json.encode(document))
