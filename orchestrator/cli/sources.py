"""The two that know of jobs: the database, and a running daemon, for whom may not read the database."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

import anyio.to_thread

from orchestrator.cli.accounts import from_daemon
from orchestrator.cli.asking import ask
from orchestrator.cli.awaited import awaited
from orchestrator.cli.common import fail, job_named, reading
from orchestrator.domain.model import ItemState, JobState
from orchestrator.engine.document import as_json, describe_batch, describe_item, describe_job, describe_standstill
from orchestrator.settings import Settings, SettingsError
from orchestrator.store.store import Store

Told = dict[str, Any]
"""A job, a batch or an item as documents have it."""


class SilentError(Exception):
    """The daemon gave no such answer."""


class Source(Protocol):
    """Tells of jobs as documents do. Raises typer.Exit where no job has the name."""

    async def job(self, name: str) -> tuple[Told, Sequence[Told]]:
        """A job and its batches."""
        ...

    async def jobs(self, state: JobState | None = None, account: str | None = None) -> list[Told]:
        """Jobs, the newest first."""
        ...

    def items(self, name: str, state: ItemState | None = None) -> AsyncIterator[Sequence[Told]]:
        """The items of a job, in portions."""
        ...

    def whole(self, name: str) -> AsyncIterator[bytes]:
        """The document that the job's result is, in portions."""
        ...

    async def awaited(self, name: str) -> str | None:
        """What the job was told to start after, in words; None where that is nothing, or not known here."""
        ...

    async def standstill(self, name: str) -> Told:
        """Since when the job makes no progress (`unchanged_since`), and what it waits for (`waits_for`)."""
        ...


@asynccontextmanager
async def knowing(settings: Settings) -> AsyncIterator[Source]:
    """The database; the daemon where one answers and we may not read the database.

    Raises:
        SettingsError: neither can be asked.
        StoreError: the database cannot be used.
    """
    async with AsyncExitStack() as stack:
        try:
            source: Source = Database(await stack.enter_async_context(reading(settings)), settings)
        except SettingsError:
            if await anyio.to_thread.run_sync(from_daemon, settings) is None:
                raise
            source = Daemon(settings)
        try:
            yield source
        except SilentError as error:
            fail(str(error))


class Daemon:
    """Over HTTP; each question is asked in a thread. Raises SilentError where there is no such answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def job(self, name: str) -> tuple[Told, Sequence[Told]]:
        told = await self._ask(f"{_path(name)}")
        return told["job"], told["batches"]

    async def jobs(self, state: JobState | None = None, account: str | None = None) -> list[Told]:
        path = "/api/v1/jobs?limit=1000"
        path += f"&state={state}" if state is not None else ""
        path += f"&account={quote(account, safe='')}" if account is not None else ""
        return [job async for page in self._pages(path, "jobs") for job in page]

    async def items(self, name: str, state: ItemState | None = None) -> AsyncIterator[Sequence[Told]]:
        path = f"{_path(name)}/items?limit=1000"
        async for page in self._pages(f"{path}&state={state}" if state is not None else path, "items"):
            yield page

    async def whole(self, name: str) -> AsyncIterator[bytes]:
        job, batches = await self.job(name)
        head = json.dumps({"job": job, "batches": batches})
        yield head.removesuffix("}").encode() + b', "items": ['
        first = True
        async for page in self.items(name):
            for item in page:
                yield (b"\n" if first else b",\n") + json.dumps(item).encode()
                first = False
        yield b"]}\n"

    async def awaited(self, name: str) -> str | None:
        del name
        return None

    async def standstill(self, name: str) -> Told:
        told = await self._ask(_path(name))
        return {key: told.get(key) for key in ("unchanged_since", "waits_for")}

    async def _pages(self, path: str | None, name: str) -> AsyncIterator[Sequence[Told]]:
        while path is not None:
            page = await self._ask(path)
            yield page[name]
            path = page["next"]

    async def _ask(self, path: str) -> Told:
        told = await anyio.to_thread.run_sync(ask, self._settings, path)
        if told is None:
            raise SilentError(f"the daemon tells nothing at {path}: there is no such job, or it has just stopped")
        return told


class Database:
    """As any command reads it."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    async def job(self, name: str) -> tuple[Told, Sequence[Told]]:
        job = await job_named(self._store, name)
        return describe_job(job), [describe_batch(batch) for batch in await self._store.batches.of_job(job.id)]

    async def jobs(self, state: JobState | None = None, account: str | None = None) -> list[Told]:
        return [describe_job(job) for job in await self._store.jobs.list(state, account)]

    async def items(self, name: str, state: ItemState | None = None) -> AsyncIterator[Sequence[Told]]:
        job = await job_named(self._store, name)
        async for portion in self._store.items.stream(job.id, state=state):
            yield [describe_item(item) for item in portion]

    async def whole(self, name: str) -> AsyncIterator[bytes]:
        async for portion in as_json(self._store, await job_named(self._store, name)):
            yield portion

    async def awaited(self, name: str) -> str | None:
        job = await job_named(self._store, name)
        if not job.spec.after:
            return None
        return f"{await awaited(self._store, job)} (to end as {' or '.join(sorted(job.spec.after.accept))})"

    async def standstill(self, name: str) -> Told:
        job = await job_named(self._store, name)
        account = self._settings.accounts.get(job.spec.account)
        return await describe_standstill(self._store, job, account.limits.open_items if account else None)


def _path(name: str) -> str:
    return f"/api/v1/jobs/{quote(name, safe='')}"
