"""One request from its arrival to its answer."""

from dataclasses import dataclass, replace
from email.utils import formatdate

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.faults import Fault
from orchestrator.simulator.odm.protocol.call import Asked, Operation
from orchestrator.simulator.odm.protocol.errors import NOT_FOUND, THROTTLED, UNAUTHORISED, Refusal
from orchestrator.simulator.odm.quirks import MADE_TWICE
from orchestrator.simulator.odm.world import World
from orchestrator.simulator.simulated import Arrival, Identity

_SECOND = 1_000_000
_MAKING = ("publish_", "start_", "restart_")


@dataclass(slots=True, kw_only=True)
class Handling:
    """Decides whether a request is let through, and has it answered; see `delivery.Call`."""

    world: World
    arrival: Arrival[Operation, Identity]

    @property
    def fault(self) -> Fault | None:
        return self.arrival.fault

    def perform(self) -> Reply:
        """The answer; a refusal of the platform's own is an answer too."""
        try:
            return self._headed(self._let_through())
        except Refusal as refusal:
            return self._headed(refusal.reply())

    def refuse(self, fault: Fault) -> Reply:
        """An empty body with the fault's status."""
        return self._headed(Refusal(fault.status).reply())

    def forget(self) -> None:
        """ODM keeps no answers."""

    def finish(self) -> None:
        """Nothing waits for the end of a call."""

    def _let_through(self) -> Reply:
        arrival = self.arrival
        if arrival.throttled_for is not None:
            raise Refusal(THROTTLED)
        if not arrival.identity.valid:
            raise Refusal(UNAUTHORISED)
        if arrival.found is None:
            raise Refusal(NOT_FOUND)
        operation, ids = arrival.found
        asked = Asked(arrival, ids)
        if arrival.strikes(MADE_TWICE) and operation.name.startswith(_MAKING):
            operation.answer(asked)
        return operation.answer(asked)

    def _headed(self, reply: Reply) -> Reply:
        date = formatdate(self.arrival.wall // _SECOND, usegmt=True)
        return replace(reply, headers={**reply.headers, "Date": date})
