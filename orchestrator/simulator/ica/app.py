"""The simulated ICA: its endpoints put together, who asks, and how a request is handled."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from orchestrator.clock import Clock
from orchestrator.simulator.clock import OffsetClock
from orchestrator.simulator.exchange import Request
from orchestrator.simulator.faults import Fault
from orchestrator.simulator.ica.api.analyses import AnalysisReads
from orchestrator.simulator.ica.api.analysis_batches import AnalysisBatches
from orchestrator.simulator.ica.api.jobs import Jobs
from orchestrator.simulator.ica.api.sessions import Sessions
from orchestrator.simulator.ica.api.workflow_sessions import WorkflowSessionReads, begin
from orchestrator.simulator.ica.config import Config
from orchestrator.simulator.ica.data_endpoints import DataFamilies
from orchestrator.simulator.ica.endpoints import of_workflow_sessions, operations
from orchestrator.simulator.ica.knobs import Knobs
from orchestrator.simulator.ica.protocol.call import Operation
from orchestrator.simulator.ica.protocol.handling import Handling
from orchestrator.simulator.ica.protocol.idempotency import IdempotencyKeys
from orchestrator.simulator.ica.protocol.tokens import Identity, Tokens, another_user
from orchestrator.simulator.ica.quirks import OTHER_USER, QUIRKS
from orchestrator.simulator.ica.truth import Truth
from orchestrator.simulator.ica.world import World
from orchestrator.simulator.simulated import Arrival, Simulated


class Simulator(Simulated[Knobs, Operation, Identity]):
    """One ICA, with its own users, projects, budget and faults.

    `app` is the ASGI app; `serve` puts it on a socket. Without a clock it runs in real time and can be moved ahead.
    """

    base_path = "/ica/rest"
    quirks = QUIRKS
    truth: Truth

    def __init__(self, config: Config | None = None, clock: Clock | None = None) -> None:
        self.config = config or Config()
        self._world = World(self.config.seed, clock or OffsetClock(), self.config.knobs)
        self._tokens = Tokens(self.config)
        self._keys = IdempotencyKeys()
        data = DataFamilies(self._world)
        self.truth = Truth(self._world, data)
        analyses = AnalysisReads(self._world)
        endpoints = operations(
            Sessions(self._world, self._tokens),
            Jobs(self._world),
            analyses,
            AnalysisBatches(self._world),
            data,
        )
        endpoints = [*endpoints, *of_workflow_sessions(WorkflowSessionReads(self._world, analyses))]
        super().__init__(self._world, endpoints, self.config.faults)

    def identify(self, request: Request, fault: Fault | None) -> Identity:
        """By API key, login or token."""
        identity = self._tokens.identify(request, self.clock.now())
        if fault is not None and fault.quirk == OTHER_USER:
            return replace(identity, user=another_user(identity.user))
        return identity

    def handle(self, arrival: Arrival[Operation, Identity]) -> Handling:
        """With ICA's media types, idempotency keys and problem documents."""
        return Handling(world=self._world, keys=self._keys, arrival=arrival)

    def begin_session(
        self,
        project: str,
        user_reference: str,
        analyses: Sequence[str] = (),
        *,
        after: float = 0.0,
        technical_tags: Sequence[str] = (),
        user_tags: Sequence[str] = (),
    ) -> str:
        """ICA launches a workflow session `after` so many seconds; returns its id.

        The words of its reference decide how it ends, and those of each analysis's own name how that one does.
        """
        return begin(
            self._world,
            project,
            user_reference,
            analyses,
            after=after,
            technical_tags=technical_tags,
            user_tags=user_tags,
        )

    def delete_session(self, session_id: str) -> None:
        """Somebody deletes a workflow session; its analyses stay."""
        self._world.sessions.remove(session_id)

    def happen(self, event: dict[str, Any]) -> dict[str, Any]:
        """`{"begin_session": {…}}`: the arguments of that method."""
        asked = msgspec.convert(event, _Event).begin_session
        return {"id": self.begin_session(**msgspec.structs.asdict(asked))}


class _Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    project: str
    user_reference: str
    analyses: list[str] = []
    after: float = 0.0
    technical_tags: list[str] = []
    user_tags: list[str] = []


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    begin_session: _Session
