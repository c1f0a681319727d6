"""One request from its arrival to its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate

import msgspec

from orchestrator.simulator.budget import Budget
from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.faults import Fault
from orchestrator.simulator.sevenbridges.protocol.call import Asked, Operation
from orchestrator.simulator.sevenbridges.protocol.errors import NOT_FOUND, THROTTLED, UNAUTHORISED, Refusal, maintenance
from orchestrator.simulator.sevenbridges.quirks import MADE_TWICE, MAINTENANCE
from orchestrator.simulator.sevenbridges.world import World
from orchestrator.simulator.simulated import Arrival, Identity

_SECOND = 1_000_000
_CREATING = "create_"


@dataclass(slots=True, kw_only=True)
class Handling:
    """Decides whether a request is let through, and has it answered; see `delivery.Call`."""

    world: World
    budget: Budget
    arrival: Arrival[Operation, Identity]
    base_path: str

    @property
    def fault(self) -> Fault | None:
        return self.arrival.fault

    def perform(self) -> Reply:
        """The answer; a refusal of the platform's own is an answer too."""
        try:
            return self._headed(self._let_through())
        except Refusal as refusal:
            return self._refused(refusal)

    def refuse(self, fault: Fault) -> Reply:
        """An error body with the fault's status."""
        return self._refused(Refusal(fault.status))

    def forget(self) -> None:
        """Seven Bridges keeps no answers."""

    def finish(self) -> None:
        """Nothing waits for the end of a call."""

    def _let_through(self) -> Reply:
        arrival = self.arrival
        if arrival.strikes(MAINTENANCE):
            raise maintenance()
        if arrival.throttled_for is not None:
            raise Refusal(THROTTLED)
        if not arrival.identity.valid and not (arrival.found is not None and arrival.found[0].public):
            raise Refusal(UNAUTHORISED)
        if arrival.found is None:
            raise Refusal(NOT_FOUND, "There is no such endpoint.")
        operation, ids = arrival.found
        asked = Asked(arrival, ids, f"http://{arrival.request.headers.get('host', 'localhost')}{self.base_path}")
        if arrival.strikes(MADE_TWICE) and _CREATING in operation.name:
            operation.answer(asked)
        return operation.answer(asked)

    def _refused(self, refusal: Refusal) -> Reply:
        return self._headed(Reply(refusal.status, msgspec.json.encode(refusal.body())))

    def _headed(self, reply: Reply) -> Reply:
        return replace(reply, headers={**reply.headers, **self._head()})

    def _head(self) -> Mapping[str, str]:
        arrival, knobs = self.arrival, self.world.knobs
        head = {"Date": formatdate(arrival.wall // _SECOND, usegmt=True), "X-Request-Id": self.world.new_id()}
        if not knobs.rate_headers or not arrival.identity.valid:
            return head
        standing = self.budget.standing(arrival.identity.user, arrival.now)
        resets = reset_of(arrival.wall, standing.resets_in, knobs.rate_reset)
        return head | {
            "X-RateLimit-Limit": str(standing.limit),
            "X-RateLimit-Remaining": str(standing.left),
            "X-RateLimit-Reset": str(resets),
        }


def reset_of(wall: int, resets_in: float, unit: str) -> int:
    """The Unix time at which a window ends, rounded up, in seconds or milliseconds."""
    micros = wall + round(resets_in * _SECOND)
    step = _SECOND if unit == "s" else _SECOND // 1000
    return -(-micros // step)
