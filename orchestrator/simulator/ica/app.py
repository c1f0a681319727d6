"""The simulated ICA: its endpoints put together, who asks, and how a request is handled."""

from dataclasses import replace

from orchestrator.clock import Clock
from orchestrator.simulator.clock import OffsetClock
from orchestrator.simulator.exchange import Request
from orchestrator.simulator.faults import Fault
from orchestrator.simulator.ica.api.analyses import AnalysisReads
from orchestrator.simulator.ica.api.analysis_batches import AnalysisBatches
from orchestrator.simulator.ica.api.jobs import Jobs
from orchestrator.simulator.ica.api.sessions import Sessions
from orchestrator.simulator.ica.config import Config
from orchestrator.simulator.ica.data_endpoints import DataFamilies
from orchestrator.simulator.ica.endpoints import operations
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
        endpoints = operations(
            Sessions(self._world, self._tokens),
            Jobs(self._world),
            AnalysisReads(self._world),
            AnalysisBatches(self._world),
            data,
        )
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
