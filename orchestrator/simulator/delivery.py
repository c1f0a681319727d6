"""How an answer reaches the client, or fails to."""

from dataclasses import replace
from typing import Protocol, assert_never

import anyio

from orchestrator.clock import Clock
from orchestrator.simulator.exchange import Connection, Reply
from orchestrator.simulator.faults import Fault, FaultKind

NO_ANSWER = 0
"""Stands in the ledger where no complete answer left."""

_PAGE = b"<html><head><title>%d</title></head><body><h1>The service is not available</h1></body></html>"


class Call(Protocol):
    """One request inside a platform: what can be done about it."""

    @property
    def fault(self) -> Fault | None: ...

    def perform(self) -> Reply:
        """Do what was asked; the effect happens here and only here."""
        ...

    def refuse(self, fault: Fault) -> Reply:
        """The platform's own error body for a fault."""
        ...

    def forget(self) -> None:
        """Drop the answer kept under the idempotency key."""
        ...

    def finish(self) -> None:
        """The call no longer counts as running."""
        ...


async def deliver(call: Call, connection: Connection, clock: Clock) -> int:
    """Perform `call` and answer it as its fault demands; returns the status sent, or NO_ANSWER."""
    try:
        return await _deliver(call, connection, clock)
    finally:
        call.finish()


def _html_page(status: int) -> Reply:
    """What a gateway in front of the platform says."""
    return Reply(status, _PAGE % status, "text/html; charset=utf-8")


async def _deliver(call: Call, connection: Connection, clock: Clock) -> int:
    fault = call.fault
    if fault is None:
        return await _send(connection, call.perform())
    match fault.kind:
        case FaultKind.ERROR | FaultKind.RESET | FaultKind.HANG:
            return await _withhold(call, fault, connection)
        case FaultKind.ERROR_AFTER | FaultKind.RESET_AFTER | FaultKind.HANG_AFTER:
            call.perform()
            return await _withhold(call, fault, connection)
        case FaultKind.SLOW | FaultKind.TRUNCATED | FaultKind.MALFORMED | FaultKind.WRONG_MEDIA:
            return await _spoil(call.perform(), fault, connection, clock)
        case FaultKind.QUIRK:
            return await _send(connection, call.perform())
        case _:
            assert_never(fault.kind)


async def _withhold(call: Call, fault: Fault, connection: Connection) -> int:
    """An error, a reset or silence in place of the answer."""
    if fault.kind in {FaultKind.ERROR, FaultKind.ERROR_AFTER}:
        if not fault.html:  # a gateway's page takes the place of an answer that the platform gave, and keeps
            call.forget()
        return await _send(connection, _error(call, fault))
    if fault.kind in {FaultKind.RESET, FaultKind.RESET_AFTER}:
        await connection.reset()
    else:
        await connection.gone()
    return NO_ANSWER


async def _spoil(reply: Reply, fault: Fault, connection: Connection, clock: Clock) -> int:
    """The answer, but late or damaged."""
    if fault.kind is FaultKind.SLOW:
        return await _late(connection, reply, fault.seconds, clock)
    if fault.kind is FaultKind.TRUNCATED:
        await connection.cut(reply)
        return NO_ANSWER
    if not reply.body:
        return await _send(connection, reply)  # a 204 has nothing that could be spoilt
    if fault.kind is FaultKind.MALFORMED:
        return await _send(connection, replace(reply, body=reply.body[:-1] + b","))
    return await _send(connection, _html_page(reply.status))


def _error(call: Call, fault: Fault) -> Reply:
    reply = _html_page(fault.status) if fault.html else call.refuse(fault)
    if fault.retry_after is None:
        return reply
    return replace(reply, headers={**reply.headers, "Retry-After": f"{fault.retry_after:g}"})


async def _send(connection: Connection, reply: Reply) -> int:
    await connection.reply(reply)
    return reply.status


async def _late(connection: Connection, reply: Reply, seconds: float, clock: Clock) -> int:
    answered = False
    async with anyio.create_task_group() as race:

        async def watch() -> None:
            await connection.gone()
            race.cancel_scope.cancel()

        race.start_soon(watch)
        await clock.sleep(seconds)
        answered = True
        race.cancel_scope.cancel()
    return await _send(connection, reply) if answered else NO_ANSWER
