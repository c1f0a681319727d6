"""The simulated ODM: its endpoints put together, who asks, and how a request is handled."""

from orchestrator.clock import Clock
from orchestrator.simulator.clock import OffsetClock
from orchestrator.simulator.exchange import Request
from orchestrator.simulator.faults import Fault
from orchestrator.simulator.odm.config import Config
from orchestrator.simulator.odm.endpoints import operations
from orchestrator.simulator.odm.knobs import Knobs
from orchestrator.simulator.odm.protocol.call import Operation
from orchestrator.simulator.odm.protocol.handling import Handling
from orchestrator.simulator.odm.quirks import QUIRKS
from orchestrator.simulator.odm.truth import Truth
from orchestrator.simulator.odm.world import World
from orchestrator.simulator.simulated import Arrival, Identity, Simulated

_ANONYMOUS = Identity("anonymous", valid=False)


class Simulator(Simulated[Knobs, Operation, Identity]):
    """One ODM, with its own users, studies, budget and faults.

    `app` is the ASGI app; `serve` puts it on a socket. Without a clock it runs in real time and can be moved ahead.
    """

    base_path = "/odm"
    quirks = QUIRKS
    truth: Truth

    def __init__(self, config: Config | None = None, clock: Clock | None = None) -> None:
        self.config = config or Config()
        self._world = World(self.config.seed, clock or OffsetClock(), self.config.knobs)
        for accession in self.config.studies:
            self._world.study(accession)
        self._users = {token: f"user-{number}" for number, token in enumerate(self.config.tokens, 1)}
        self.truth = Truth(self._world)
        super().__init__(self._world, operations(self._world), self.config.faults)

    def identify(self, request: Request, fault: Fault | None) -> Identity:
        """By `Genestack-API-Token`, or as a bearer, however that is spelt."""
        del fault
        token = request.headers.get("genestack-api-token", "")
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if not token and scheme.lower() == "bearer":
            token = bearer.strip()
        user = self._users.get(token)
        return Identity(user) if user is not None else _ANONYMOUS

    def handle(self, arrival: Arrival[Operation, Identity]) -> Handling:
        """With the platform's error bodies, most of which are empty."""
        return Handling(world=self._world, arrival=arrival)
