"""One request from its arrival to its answer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.simulator.exchange import Reply, Request
from orchestrator.simulator.faults import Fault
from orchestrator.simulator.ica.call import Asked, Operation
from orchestrator.simulator.ica.idempotency import Entry, IdempotencyKeys
from orchestrator.simulator.ica.problems import NOT_FOUND, THROTTLED, UNAUTHORISED, Problem
from orchestrator.simulator.ica.tokens import Identity
from orchestrator.simulator.ica.world import World


@dataclass(slots=True, kw_only=True)
class Handling:
    """Decides whether a request is let through, and has it answered; see `delivery.Call`."""

    world: World
    keys: IdempotencyKeys
    request: Request
    name: str
    found: tuple[Operation, Mapping[str, str]] | None
    identity: Identity
    fault: Fault | None
    now: float
    throttled_for: float | None
    date: str
    _entry: Entry | None = None

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
        return self.request.path, self.identity.user, self.request.headers.get("idempotency-key", "")

    def _let_through(self) -> Reply:
        if self.throttled_for is not None:
            raise Problem(THROTTLED)
        if not self.identity.valid and not (self.found is not None and self.found[0].public):
            raise Problem(UNAUTHORISED)
        if self.found is None:
            raise Problem(NOT_FOUND, "No such endpoint")
        operation, ids = self.found
        version = operation.media.negotiate(self.request)
        self.world.ledger.calls[f"{self.name}/v{version}"] += 1
        key = self.request.headers.get("idempotency-key") if operation.keyed else None
        asked = Asked(self.request, ids, self.identity, version, self.now, key, self.fault)
        return operation.answer(asked) if key is None else self._once(operation, asked)

    def _once(self, operation: Operation, asked: Asked) -> Reply:
        entry = self.keys.open(self._place, self.request.body, self.now, self.world.knobs.idempotency_days)
        if entry.reply is not None:
            return entry.reply
        self._entry = entry
        try:
            entry.reply, entry.kept_at = operation.answer(asked), self.now
        except Problem:
            self.forget()
            raise
        return entry.reply

    def _declined(self, problem: Problem) -> Reply:
        headers = {}
        if self.throttled_for is not None and problem.status == THROTTLED and self.world.knobs.retry_after:
            headers["Retry-After"] = str(math.ceil(self.throttled_for))
        now = self.world.clock.now()
        return self._dated(problem.reply(self.request.path, self.world.new_id(), now, headers))

    def _dated(self, reply: Reply) -> Reply:
        return replace(reply, headers={**reply.headers, "Date": self.date})
