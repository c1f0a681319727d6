"""What is stored beside the work: the name of the installation, and what was learned about each account."""

import secrets

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.store.database.engine import Database
from orchestrator.store.errors import InstanceError, StoreError
from orchestrator.store.schema import REAL_JOB, jobs, memory, meta

PAUSED = "paused"
_INSTANCE = sa.select(meta.c.value).where(meta.c.name == "instance")


class Memory:
    """Facts by name, of the database and of each account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def instance(self, configured: str | None = None) -> str:
        """The name in all keys and tags of this installation: the configured one, or a random one made once.

        Raises:
            InstanceError: jobs exist that were planned under another one; their keys would no longer be found.
        """
        async with self._database.write() as connection:
            stored = (await connection.execute(_INSTANCE)).scalar_one_or_none()
            if stored is not None and configured in (None, stored):
                return str(stored)
            if stored is not None and (await connection.execute(sa.select(jobs.c.id).where(REAL_JOB).limit(1))).first():
                raise InstanceError(
                    f"instance: {configured!r} is configured, but the jobs in this database belong to {stored!r}; "
                    f"set instance to {stored!r} or to null, or start with an empty database"
                )
            made = configured or secrets.token_hex(8)
            await connection.execute(sa.delete(meta).where(meta.c.name == "instance"))
            await connection.execute(sa.insert(meta).values(name="instance", value=made))
            return made

    async def recall(self, account: str) -> dict[str, str]:
        """The facts of an account."""
        query = sa.select(memory.c.name, memory.c.value).where(memory.c.account == account)
        async with self._database.read() as connection:
            return {row.name: row.value for row in await connection.execute(query)}

    async def paused(self, account: str) -> str | None:
        """Who paused the account, or everything, and when; None while it may submit."""
        everything = (await self.recall("")).get(PAUSED)
        return (await self.recall(account)).get(PAUSED, everything) or None

    async def remember(self, account: str, name: str, value: str) -> None:
        """Store a fact of an account, and replace an older one of that name."""
        async with self._database.write() as connection:
            await remember(connection, account, name, value)


async def instance_of(connection: AsyncConnection) -> str:
    """The stored instance; raises StoreError before `Memory.instance` was asked for the first time."""
    stored = (await connection.execute(_INSTANCE)).scalar_one_or_none()
    if stored is None:
        raise StoreError("the database has no instance yet: the daemon gives it one at its first start")
    return str(stored)


async def remember(connection: AsyncConnection, account: str, name: str, value: str) -> None:
    await forget(connection, account, name)
    await connection.execute(sa.insert(memory).values(account=account, name=name, value=value))


async def forget(connection: AsyncConnection, account: str, name: str) -> None:
    await connection.execute(sa.delete(memory).where(memory.c.account == account, memory.c.name == name))


# ---------------------------------------------------------------- accounts that are paused

_EVERY = ""
"""Stands for all accounts; an account's own row takes precedence."""


async def pause_account(connection: AsyncConnection, account: str | None, by: str) -> str:
    """Pause the future jobs of this account (None: of all); returns the reason that they show.

    `by` says who paused it, and when.
    """
    if account is None:
        await connection.execute(sa.delete(memory).where(memory.c.name == PAUSED))
    reason = f"account {account} is paused {by}" if account else f"everything is paused {by}"
    await remember(connection, account or _EVERY, PAUSED, reason)
    return reason


async def resume_account(connection: AsyncConnection, account: str | None) -> None:
    """Undo `pause_account`; one account may run while the others stay paused."""
    if account is None:
        await connection.execute(sa.delete(memory).where(memory.c.name == PAUSED))
    else:
        await remember(connection, account, PAUSED, "")


async def why_paused(connection: AsyncConnection, account: str) -> str | None:
    """The reason why new jobs of this account are not submitted; None when they are."""
    query = sa.select(memory.c.account, memory.c.value).where(
        memory.c.name == PAUSED, memory.c.account.in_([account, _EVERY])
    )
    said = {row.account: row.value for row in await connection.execute(query)}
    return said.get(account, said.get(_EVERY)) or None
