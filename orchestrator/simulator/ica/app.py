"""The simulated ICA: from a request to its answer.

Each request passes, in this order: the ledger, its fault, the budget, the credential, the route, the media types, the
idempotency key, and the operation. Operations are plain functions; only delivery waits.
"""

from dataclasses import asdict, replace
from email.utils import formatdate
from typing import Any

import msgspec

from orchestrator.clock import Clock
from orchestrator.simulator.admin import PREFIX, Admin
from orchestrator.simulator.budget import Budget
from orchestrator.simulator.clock import OffsetClock
from orchestrator.simulator.delivery import NO_ANSWER, deliver
from orchestrator.simulator.exchange import App, Connection, Receive, Request, Scope, Send
from orchestrator.simulator.faults import FaultKind, Faults
from orchestrator.simulator.ica.analyses import AnalysisLooks
from orchestrator.simulator.ica.analysis_batches import AnalysisBatches
from orchestrator.simulator.ica.config import Config
from orchestrator.simulator.ica.handling import Handling
from orchestrator.simulator.ica.idempotency import IdempotencyKeys
from orchestrator.simulator.ica.jobs import Jobs
from orchestrator.simulator.ica.knobs import Knobs
from orchestrator.simulator.ica.link_batches import LinkBatches
from orchestrator.simulator.ica.operations import Routes, operations
from orchestrator.simulator.ica.sessions import Sessions
from orchestrator.simulator.ica.tokens import Tokens, another_user
from orchestrator.simulator.ica.truth import Truth
from orchestrator.simulator.ica.world import World
from orchestrator.simulator.ledger import Ledger

UNKNOWN_OPERATION = "unknown"


class Simulator:
    """One ICA, with its own users, projects, budget and faults.

    `app` is the ASGI app; `serve` puts it on a socket. Without a clock it runs in real time and can be moved ahead.
    """

    base_path = "/ica/rest"

    def __init__(self, config: Config | None = None, clock: Clock | None = None) -> None:
        self.config = config or Config()
        self.clock: Clock = clock or OffsetClock()
        self.app: App = self._serve
        self._world = World(self.config, self.clock, self.config.knobs)
        self.faults = Faults(self.config.faults, seed=self.config.seed, now=self.clock.monotonic())
        self.budget = Budget(self.config.knobs.limit)
        self._tokens = Tokens(self.config)
        self._keys = IdempotencyKeys()
        links = LinkBatches(self._world)
        self.truth = Truth(self._world, links)
        self._routes = Routes(
            operations(
                Sessions(self._world, self._tokens),
                Jobs(self._world),
                AnalysisLooks(self._world),
                AnalysisBatches(self._world),
                links,
            ),
            self.base_path,
        )
        self._admin = Admin(self)

    @property
    def ledger(self) -> Ledger:
        return self._world.ledger

    @property
    def knobs(self) -> Knobs:
        return self._world.knobs

    @knobs.setter
    def knobs(self, knobs: Knobs) -> None:
        self._world.knobs = knobs
        self.budget.limit_to(knobs.limit)

    def knobs_json(self) -> dict[str, Any]:
        """All knobs, for the admin endpoint."""
        return asdict(self.knobs)

    def change_knobs(self, changes: dict[str, Any]) -> None:
        """Set the knobs that `changes` names; raises ValueError for a name or value that does not exist."""
        known = asdict(self.knobs)
        if unknown := sorted(changes.keys() - known.keys()):
            raise ValueError(f"no such knob: {', '.join(unknown)}")
        self.knobs = msgspec.convert(known | changes, Knobs)

    def requests_json(self) -> dict[str, Any]:
        """Calls, answers and budgets, for the admin endpoint."""
        return {
            "calls": dict(sorted(self.ledger.calls.items())),
            "answers": self.ledger.answers_by_operation(),
            "budget": {user: asdict(usage) for user, usage in self.budget.usage.items()},
        }

    def ledger_json(self, *, summary: bool) -> dict[str, Any]:
        """The evidence, for the admin endpoint."""
        return {"summary": self.truth.summary()} if summary else self.truth.report()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only http is spoken here, not {scope['type']}")
        connection = Connection(scope, receive, send)
        request = await connection.read()
        if request is None:
            return
        if request.path.removeprefix(self.base_path).startswith(PREFIX):
            await connection.reply(await self._admin.answer(request))
            return
        handling = self._arrive(request)
        status = NO_ANSWER
        try:
            status = await deliver(handling, connection, self.clock)
        finally:
            self.ledger.answers[handling.name, status] += 1

    def _arrive(self, request: Request) -> Handling:
        now = self.clock.monotonic()
        found = self._routes.find(request.method, request.path)
        name = found[0].name if found is not None else UNKNOWN_OPERATION
        self.ledger.calls[name] += 1
        fault = self.faults.strike(name, now)
        identity = self._tokens.identify(request, self.clock.now())
        if fault is not None and fault.kind is FaultKind.OTHER_USER:
            identity = replace(identity, user=another_user(identity.user))
        return Handling(
            world=self._world,
            keys=self._keys,
            request=request,
            name=name,
            found=found,
            identity=identity,
            fault=fault,
            now=now,
            throttled_for=self.budget.admit(identity.user, now),
            date=formatdate(self.clock.now() // 1_000_000, usegmt=True),
        )
