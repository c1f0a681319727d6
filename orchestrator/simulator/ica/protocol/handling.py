"""One request from its arrival to its answer."""

import math
from dataclasses import dataclass, replace
from email.utils import formatdate

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.faults import Fault
from orchestrator.simulator.ica.protocol.call import Asked, Operation
from orchestrator.simulator.ica.protocol.idempotency import Entry, IdempotencyKeys
from orchestrator.simulator.ica.protocol.problems import NOT_FOUND, THROTTLED, UNAUTHORISED, Problem
from orchestrator.simulator.ica.protocol.tokens import Identity
from orchestrator.simulator.ica.world import World
from orchestrator.simulator.simulated import Arrival


@dataclass(slots=True, kw_only=True)
class Handling:
    """Decides whether a request is let through, and has it answered; see `delivery.Call`."""

    world: World
    keys: IdempotencyKeys
    arrival: Arrival[Operation, Identity]
    _entry: Entry | None = None

    @property
    def fault(self) -> Fault | None:
        return self.arrival.fault

    def perform(self) -> Reply:
        """The answer; a problem of the request's own making is an answer too."""
        try:
            return self._dated(self._let_through())
        except Problem as problem:
            return self._declined(problem)

    def refuse(self, fault: Fault) -> Reply:
        """A problem with the fault's status."""
        return self._declined(Problem(fault.status))

    def forget(self) -> None:
        """Drop what this call has kept under its key; an answer kept by an earlier call stays."""
        if self._entry is not None:
            self.keys.forget(self._place)

    def finish(self) -> None:
        """Other calls with the same key no longer meet 409."""
        if self._entry is not None:
            self._entry.running = False

    @property
    def _place(self) -> tuple[str, str, str]:
        arrival = self.arrival
        return arrival.request.path, arrival.identity.user, arrival.request.headers.get("idempotency-key", "")

    def _let_through(self) -> Reply:
        arrival = self.arrival
        if arrival.throttled_for is not None:
            raise Problem(THROTTLED)
        if not arrival.identity.valid and not (arrival.found is not None and arrival.found[0].public):
            raise Problem(UNAUTHORISED)
        if arrival.found is None:
            raise Problem(NOT_FOUND, "No such endpoint")
        operation, ids = arrival.found
        version = operation.media.negotiate(arrival.request)
        self.world.ledger.calls[f"{arrival.name}/v{version}"] += 1
        key = arrival.request.headers.get("idempotency-key") if operation.keyed else None
        asked = Asked(arrival.request, ids, arrival.identity, version, arrival.now, key, arrival.fault)
        return operation.answer(asked) if key is None else self._once(operation, asked)

    def _once(self, operation: Operation, asked: Asked) -> Reply:
        now, days = self.arrival.now, self.world.knobs.idempotency_days
        entry = self.keys.open(self._place, self.arrival.request.body, now, days)
        if entry.reply is not None:
            return entry.reply
        self._entry = entry
        try:
            entry.reply, entry.kept_at = operation.answer(asked), now
        except Problem:
            self.forget()
            raise
        return entry.reply

    def _declined(self, problem: Problem) -> Reply:
        headers = {}
        throttled_for = self.arrival.throttled_for
        if throttled_for is not None and problem.status == THROTTLED and self.world.knobs.retry_after:
            headers["Retry-After"] = str(math.ceil(throttled_for))
        now = self.world.clock.now()
        return self._dated(problem.reply(self.arrival.request.path, self.world.new_id(), now, headers))

    def _dated(self, reply: Reply) -> Reply:
        date = formatdate(self.arrival.wall // 1_000_000, usegmt=True)
        return replace(reply, headers={**reply.headers, "Date": date})
