"""The simulated Seven Bridges: its endpoints put together, who asks, and how a request is handled."""

from orchestrator.clock import Clock
from orchestrator.simulator.clock import OffsetClock
from orchestrator.simulator.exchange import Request
from orchestrator.simulator.faults import Fault
from orchestrator.simulator.sevenbridges.api.account import Account
from orchestrator.simulator.sevenbridges.config import Config
from orchestrator.simulator.sevenbridges.endpoints import operations
from orchestrator.simulator.sevenbridges.knobs import Knobs
from orchestrator.simulator.sevenbridges.protocol.call import Operation
from orchestrator.simulator.sevenbridges.protocol.handling import Handling
from orchestrator.simulator.sevenbridges.quirks import OTHER_USER, QUIRKS
from orchestrator.simulator.sevenbridges.truth import Truth
from orchestrator.simulator.sevenbridges.world import World
from orchestrator.simulator.simulated import Arrival, Identity, Simulated

_ANONYMOUS = Identity("anonymous", valid=False)


class Simulator(Simulated[Knobs, Operation, Identity]):
    """One Seven Bridges, with its own users, projects, budget and faults.

    `app` is the ASGI app; `serve` puts it on a socket. Without a clock it runs in real time and can be moved ahead.
    """

    base_path = "/v2"
    quirks = QUIRKS
    truth: Truth

    def __init__(self, config: Config | None = None, clock: Clock | None = None) -> None:
        self.config = config or Config()
        self._world = World(self.config.seed, clock or OffsetClock(), self.config.knobs)
        self._users = {token: f"user-{number}" for number, token in enumerate(self.config.tokens, 1)}
        self.truth = Truth(self._world)
        account = Account(self._world)
        super().__init__(self._world, operations(self._world, account), self.config.faults)
        account.budget = self.budget

    def identify(self, request: Request, fault: Fault | None) -> Identity:
        """By `X-SBG-Auth-Token`, or as a bearer."""
        token = request.headers.get("x-sbg-auth-token", "")
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if not token and scheme.lower() == "bearer":
            token = bearer.strip()
        user = self._users.get(token)
        if user is None:
            return _ANONYMOUS
        return Identity(f"not-{user}" if fault is not None and fault.quirk == OTHER_USER else user)

    def handle(self, arrival: Arrival[Operation, Identity]) -> Handling:
        """With the platform's headers and error bodies."""
        return Handling(world=self._world, budget=self.budget, arrival=arrival, base_path=self.base_path)
