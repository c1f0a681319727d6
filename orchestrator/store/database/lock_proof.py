"""The proof that one session holds the daemon's lock on the very server that another connection leads to.

A lock of a PostgreSQL session says nothing of other connections: after a fail-over they may lead to another server,
where another daemon holds the lock. So the session that holds the lock also holds one under a random number, the token.
A transaction proves by a single statement, without reading a table, that the session lives on its server: it tries to
take the token and must not get it. See docs/adr/0011-proving-the-lock.md.
"""

import secrets
from contextlib import AsyncExitStack
from typing import Any, Final

import anyio
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from orchestrator.store.errors import LockLostError, PoolerError, StoreUnavailableError

ELSEWHERE: Final = (
    "the address of the PostgreSQL database leads to another server than the one that holds this daemon's lock, as "
    "after a fail-over: another daemon may run there"
)
POOLER: Final = (
    "the PostgreSQL server is behind a connection pooler in transaction mode, where a lock does not stay with its "
    "connection: give the address of the server itself, or set the pooler to session mode (pool_mode=session)"
)
_WITHIN: Final = 10.0
"""Seconds for the check of a pooler, and that a new holder waits for transactions of the one before."""
_ROUNDS: Final = 3

_TOKEN = sa.text("SELECT pg_advisory_lock(:token)")
_OWN_LOCKS = sa.text(
    "SELECT count(*), pg_backend_pid() FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
)
_PID = sa.text("SELECT pg_backend_pid()")
_TRY_TOKEN = sa.text("SELECT pg_backend_pid(), pg_try_advisory_xact_lock(:token)")
# In this order: a new holder takes the first lock alone, once, and so waits for the transactions that had their proof.
_PROOF = sa.text(
    "SELECT pg_advisory_xact_lock_shared(hashtext('orchestrator'), hashtext('writes')), "
    "pg_try_advisory_xact_lock(:token)"
)
_SETTLE = sa.text("SELECT pg_advisory_xact_lock(hashtext('orchestrator'), hashtext('writes'))")
_UNLOCK_ALL = sa.text("SELECT pg_advisory_unlock_all()")


class Fence:
    """The token of one daemon, and whether its lock was found to be lost."""

    def __init__(self) -> None:
        self._token = secrets.randbits(63)
        self.lost = anyio.Event()
        self.reason = ""

    async def establish(self, session: AsyncConnection, others: AsyncEngine) -> None:
        """Take the token in a session in autocommit mode that stays open. `others` makes further connections.

        Raises:
            PoolerError: sessions do not stay with their connections.
            StoreUnavailableError: two connections lead to two servers.
        """
        await session.execute(_TOKEN, {"token": self._token})
        try:
            with anyio.fail_after(_WITHIN):
                await self._refuse_pooler(session, others)
        except TimeoutError:
            raise StoreUnavailableError(
                f"the PostgreSQL server did not answer several connections at once within {_WITHIN:g} s: see its "
                "max_connections, and the pool_size and pool_mode of a pooler before it"
            ) from None

    async def settle(self, session: AsyncConnection) -> None:
        """Wait until no transaction of an earlier holder is open any more."""
        await session.execute(sa.text(f"SET lock_timeout = '{_WITHIN:g}s'"))
        await session.execute(_SETTLE)

    async def prove(self, transaction: AsyncConnection) -> None:
        """Prove within a transaction, before it writes, that the lock is held on its server. Raises LockLostError."""
        row = (await transaction.execute(_PROOF, {"token": self._token})).one()
        if row[1]:
            raise self.lose("the lock on the PostgreSQL server that is written to is lost: another daemon may start")

    async def held_at(self, connection: AsyncConnection) -> bool:
        """Whether the lock is held on the server that this connection leads to."""
        _, got = (await connection.execute(_TRY_TOKEN, {"token": self._token})).one()
        return not got

    def lose(self, reason: str) -> LockLostError:
        """Note that the lock is lost, which ends the daemon; returns the error to raise."""
        self.reason = self.reason or reason
        self.lost.set()
        return LockLostError(reason)

    def guard(self, engine: AsyncEngine) -> None:
        """Have every new connection of an engine prove that it leads to the server that holds the lock."""

        def connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection has no type of its own
            cursor = connection.cursor()
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (self._token,))
            (got,) = cursor.fetchone()
            cursor.close()
            connection.rollback()
            if got:
                raise self.lose(ELSEWHERE)

        event.listen(engine.sync_engine, "connect", connected)

    async def _refuse_pooler(self, session: AsyncConnection, others: AsyncEngine) -> None:
        """While transactions of other connections are open, the session must keep its process, and they not have it."""
        pid = (await session.execute(_PID)).scalar_one()
        async with AsyncExitStack() as stack:
            for _ in range(_ROUNDS):
                other = await stack.enter_async_context(others.connect())
                its_pid, got = (await other.execute(_TRY_TOKEN, {"token": self._token})).one()
                if its_pid == pid or (await session.execute(_PID)).scalar_one() != pid:
                    raise PoolerError(POOLER)
                if got:
                    raise StoreUnavailableError("two connections to the PostgreSQL database led to two servers")


async def refuse_shared(session: AsyncConnection) -> None:
    """Refuse a new connection whose session holds locks already. Raises PoolerError."""
    if (await session.execute(_OWN_LOCKS)).one()[0]:
        raise PoolerError(POOLER)


async def check_sessions(sessions: AsyncEngine, others: AsyncEngine) -> None:
    """Check whether sessions stay with their connections, without taking the daemon's lock.

    Raises:
        PoolerError: they do not.
        StoreUnavailableError: the server cannot be used, or two connections lead to two servers.
    """
    try:
        async with sessions.connect() as session:
            await refuse_shared(session)
            try:
                await Fence().establish(session, others)
            finally:
                await unlock(session)
    except DBAPIError as error:
        raise StoreUnavailableError(f"the PostgreSQL server cannot be used: {error}") from error


async def unlock(session: AsyncConnection) -> None:
    """Release what the session holds: behind a pooler it outlives the connection."""
    await session.execute(_UNLOCK_ALL)
