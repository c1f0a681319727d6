"""What every simulated platform does with a request, from its arrival to its answer.

Each request passes, in this order: the ledger, its fault, the credential, the budget, the platform. The platform says
who asks (`identify`) and how it answers (`handle`); operations are plain functions, only delivery waits.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from orchestrator.clock import Clock, Micros
from orchestrator.simulator.admin import PREFIX, Admin
from orchestrator.simulator.budget import Budget, Limit
from orchestrator.simulator.delivery import NO_ANSWER, Call, deliver
from orchestrator.simulator.evidence import Evidence
from orchestrator.simulator.exchange import App, Connection, Receive, Request, Scope, Send
from orchestrator.simulator.faults import Fault, FaultKind, Faults
from orchestrator.simulator.ledger import Ledger
from orchestrator.simulator.operations import Operation, Routes
from orchestrator.simulator.platform_state import PlatformState

UNKNOWN_OPERATION = "unknown"


class Limited(Protocol):
    """Knobs are a frozen dataclass of plain values that names, among others, the request limit."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def limit(self) -> Limit: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks; not `valid` for a wrong or expired credential."""

    user: str
    valid: bool = True


K = TypeVar("K", bound=Limited)
Op = TypeVar("Op", bound=Operation[Any])
Who = TypeVar("Who", bound=Identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival(Generic[Op, Who]):
    """One request that has arrived, and what is in store for it."""

    request: Request
    name: str
    """Of its operation."""
    found: tuple[Op, Mapping[str, str]] | None
    """Its operation and the ids in its path; None where there is no such endpoint."""
    identity: Who
    fault: Fault | None
    now: float
    wall: Micros
    throttled_for: float | None
    """Seconds until there is budget again; None: the request is granted."""

    def strikes(self, quirk: str) -> bool:
        """Whether this quirk of the platform strikes the request."""
        return self.fault is not None and self.fault.kind is FaultKind.QUIRK and self.fault.quirk == quirk


class Simulated(ABC, Generic[K, Op, Who]):
    """One platform with its own users, budget, knobs and faults.

    `app` is the ASGI app; `serve` puts it on a socket.
    """

    base_path: str
    """Where its API begins: `/ica/rest`."""
    quirks: frozenset[str]
    """The names that a fault of kind QUIRK may have here."""
    truth: Evidence

    def __init__(self, state: PlatformState[K], operations: Iterable[Op], faults: Iterable[Fault]) -> None:
        self.app: App = self._serve
        self.faults = Faults(faults, seed=state.seed, now=state.clock.monotonic(), quirks=self.quirks)
        self.budget = Budget(state.knobs.limit)
        self._state = state
        self._routes = Routes(list(operations), self.base_path)
        self._admin = Admin(self)

    @abstractmethod
    def identify(self, request: Request, fault: Fault | None) -> Who:
        """The user behind a request; a quirk may make it somebody else."""

    @abstractmethod
    def handle(self, arrival: Arrival[Op, Who]) -> Call:
        """The request as something that can be performed, refused and delivered."""

    @property
    def clock(self) -> Clock:
        return self._state.clock

    @property
    def ledger(self) -> Ledger:
        return self._state.ledger

    @property
    def knobs(self) -> K:
        return self._state.knobs

    @knobs.setter
    def knobs(self, knobs: K) -> None:
        self._state.knobs = knobs
        self.budget.limit_to(knobs.limit)

    def knobs_json(self) -> dict[str, Any]:
        """All knobs, for the admin endpoint."""
        return asdict(self.knobs)

    def change_knobs(self, changes: dict[str, Any]) -> None:
        """Set the knobs that `changes` names; raises ValueError for a name or value that does not exist."""
        known = asdict(self.knobs)
        if unknown := sorted(changes.keys() - known.keys()):
            raise ValueError(f"no such knob: {', '.join(unknown)}")
        self.knobs = msgspec.convert(known | changes, type(self.knobs))

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

    def happen(self, event: dict[str, Any]) -> dict[str, Any]:
        """Let something happen that no request asks for; raises ValueError for what cannot happen here."""
        raise ValueError(f"nothing happens here by itself: {', '.join(sorted(event)) or 'no event was named'}")

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
        arrival = self._arrive(request)
        status = NO_ANSWER
        try:
            status = await deliver(self.handle(arrival), connection, self.clock)
        finally:
            self.ledger.answers[arrival.name, status] += 1

    def _arrive(self, request: Request) -> Arrival[Op, Who]:
        now = self.clock.monotonic()
        found = self._routes.find(request.method, request.path)
        name = found[0].name if found is not None else UNKNOWN_OPERATION
        self.ledger.calls[name] += 1
        fault = self.faults.strike(name, now)
        identity = self.identify(request, fault)
        free = found is not None and found[0].free
        return Arrival(
            request=request,
            name=name,
            found=found,
            identity=identity,
            fault=fault,
            now=now,
            wall=self.clock.now(),
            throttled_for=None if free else self.budget.admit(identity.user, now),
        )
