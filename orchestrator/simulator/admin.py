"""`/_simulator/`: how other programs steer a simulator and read its evidence.

No credentials, no budget, no faults. All bodies are JSON.

    GET    ledger           summary, effects and true statuses; `?summary=true` leaves the lists out
    GET    requests         calls and answers by operation, budget used by each user
    GET    knobs            all knobs
    PUT    knobs            changes those that the body names; answers all
    GET    faults           the rules in force, and how often each has struck
    PUT    faults           replaces all rules by the body's list
    POST   faults           adds one rule
    DELETE faults           removes all rules
    POST   events           something happens there by itself; what there is depends on the platform
    GET    clock            `{"monotonic": seconds, "now": microseconds UTC}`
    POST   clock            `{"advance": seconds}` moves the clock on, where it can be moved
"""

from dataclasses import asdict
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec

from orchestrator.clock import Clock
from orchestrator.simulator.exchange import Reply, Request
from orchestrator.simulator.faults import Fault, Faults

PREFIX = "/_simulator/"

_BAD_REQUEST, _NOT_FOUND = 400, 404

Shape = TypeVar("Shape")


class Steered(Protocol):
    """What a simulator offers to its steering."""

    @property
    def clock(self) -> Clock: ...

    @property
    def faults(self) -> Faults: ...

    def knobs_json(self) -> dict[str, Any]: ...

    def change_knobs(self, changes: dict[str, Any]) -> None:
        """Raises ValueError for a knob or a value that does not exist."""
        ...

    def requests_json(self) -> dict[str, Any]: ...

    def ledger_json(self, *, summary: bool) -> dict[str, Any]: ...

    def happen(self, event: dict[str, Any]) -> dict[str, Any]:
        """Raises ValueError for what cannot happen here."""
        ...


@runtime_checkable
class Movable(Protocol):
    """A clock that can be moved on."""

    async def advance(self, seconds: float) -> None: ...


class _Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    advance: float


class Admin:
    """Answers what comes under PREFIX."""

    def __init__(self, steered: Steered) -> None:
        self._steered = steered

    async def answer(self, request: Request) -> Reply:
        """Never raises for what a client may send wrong: that is a 400 with its reason."""
        try:
            return await self._answer(request)
        except ValueError as error:
            return _json({"error": str(error)}, _BAD_REQUEST)

    async def _answer(self, request: Request) -> Reply:
        what = request.path.partition(PREFIX)[2]
        if what == "faults":
            return self._faults(request)
        if what == "clock":
            return await self._clock(request)
        document = self._document(request, what)
        return _not_found() if document is None else _json(document)

    def _document(self, request: Request, what: str) -> dict[str, Any] | None:
        match request.method, what:
            case "GET", "ledger":
                return self._steered.ledger_json(summary=request.query.get("summary") == ["true"])
            case "GET", "requests":
                return self._steered.requests_json()
            case "GET", "knobs":
                return self._steered.knobs_json()
            case "PUT", "knobs":
                self._steered.change_knobs(_read(request, dict[str, Any]))
                return self._steered.knobs_json()
            case "POST", "events":
                return self._steered.happen(_read(request, dict[str, Any]))
            case _:
                return None

    def _faults(self, request: Request) -> Reply:
        faults, now = self._steered.faults, self._steered.clock.monotonic()
        match request.method:
            case "GET":
                pass
            case "PUT":
                faults.set(_read(request, list[Fault]), now)
            case "POST":
                faults.add(_read(request, Fault), now)
            case "DELETE":
                faults.clear()
            case _:
                return _not_found()
        return _json([{**asdict(fault), "struck": struck} for fault, struck in faults.struck])

    async def _clock(self, request: Request) -> Reply:
        clock = self._steered.clock
        match request.method:
            case "GET":
                pass
            case "POST":
                if not isinstance(clock, Movable):
                    raise ValueError("this simulator runs on a clock that cannot be moved")  # noqa: TRY004 - a state
                await clock.advance(_read(request, _Advance).advance)
            case _:
                return _not_found()
        return _json({"monotonic": clock.monotonic(), "now": clock.now()})


def _read(request: Request, shape: type[Shape]) -> Shape:
    return msgspec.json.decode(request.body, type=shape)


def _json(document: object, status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(document))


def _not_found() -> Reply:
    return _json({"error": "not found"}, _NOT_FOUND)
