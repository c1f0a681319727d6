"""Reads jobs from the database or, for a user who may not read it, from the running daemon."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import anyio.to_thread

from orchestrator.cli.commands.accounts import from_daemon
from orchestrator.cli.invocation import fail, job_named, reading
from orchestrator.cli.sources.http import ANSWER_TIMEOUT, ask, fetch
from orchestrator.clock import Clock, SystemClock
from orchestrator.domain.model import ItemState, Job
from orchestrator.domain.units import rfc3339
from orchestrator.engine.outlook.expected_end import expected_ends
from orchestrator.engine.outlook.why import awaited, describe_why, why
from orchestrator.engine.report.compose import compose_report
from orchestrator.engine.report.context import Context, context_of
from orchestrator.engine.result_document import (
    as_json,
    describe_batches,
    describe_event,
    describe_item,
    describe_job,
    describe_standstill,
    when,
)
from orchestrator.notify.documents import describe_notices
from orchestrator.settings import Settings, SettingsError
from orchestrator.store.reading.job_criteria import JobCriteria
from orchestrator.store.store import Store

_NOTHING = (
    "the daemon returns nothing at {}: there is no such job, or it has stopped, "
    f"or it did not answer within {ANSWER_TIMEOUT:.0f} s"
)

Described = dict[str, Any]
"""A job, a batch or an item as in a result document."""


class UnreachableError(Exception):
    """The daemon did not return the document."""


class Source(Protocol):
    """Reads jobs as documents. Raises typer.Exit if there is no job with the name."""

    async def job(self, name: str) -> tuple[Described, Sequence[Described]]:
        """A job, with its `expected_end`, and its batches."""
        ...

    async def jobs(self, search: JobCriteria) -> list[Described]:
        """Jobs, each with its `expected_end`, the newest first."""
        ...

    def items(self, name: str, state: ItemState | None = None) -> AsyncIterator[Sequence[Described]]:
        """The items of a job, in chunks."""
        ...

    def whole(self, name: str) -> AsyncIterator[bytes]:
        """The job's result document, in chunks."""
        ...

    async def report(self, name: str) -> bytes:
        """The job's report as HTML."""
        ...

    async def awaited(self, name: str) -> str | None:
        """The dependencies of a job as text; None if it has none, or if they are unknown."""
        ...

    async def standstill(self, name: str) -> Described:
        """Since when it makes no progress (`unchanged_since`), what it waits for, and its `undelivered` webhooks."""
        ...

    def history(self, name: str) -> AsyncIterator[Sequence[Described]]:
        """The events of a job, the oldest first, in chunks."""
        ...

    async def why(self, name: str) -> tuple[Described, bool]:
        """What a job waits for, and whether a running daemon was asked, which knows more than the database."""
        ...


@asynccontextmanager
async def knowing(settings: Settings) -> AsyncIterator[Source]:
    """The database or, if this user may not read it, a daemon that answers.

    Raises:
        SettingsError: neither can be read.
        StoreError: the database cannot be used.
    """
    async with AsyncExitStack() as stack:
        try:
            source: Source = Database(await stack.enter_async_context(reading(settings)), settings)
        except SettingsError:
            if await anyio.to_thread.run_sync(partial(from_daemon, settings, required=True)) is None:
                raise
            source = Daemon(settings)
        try:
            yield source
        except UnreachableError as error:
            fail(str(error))


async def begun(portions: AsyncIterator[Sequence[Described]]) -> AsyncIterator[Sequence[Described]]:
    """The same portions, the first of them read: that there is no such job is found before anything is printed."""
    first = await anext(portions, ())

    async def whole() -> AsyncIterator[Sequence[Described]]:
        yield first
        async for portion in portions:
            yield portion

    return whole()


class Daemon:
    """Reads jobs over HTTP, each request in a thread. Raises UnreachableError if there is no such document."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def job(self, name: str) -> tuple[Described, Sequence[Described]]:
        document = await self._ask(_path(name))
        return document["job"] | {"expected_end": document["expected_end"]}, document["batches"]

    async def jobs(self, search: JobCriteria) -> list[Described]:
        asked: dict[str, Any] = {"state": search.state, "account": search.account, "project": search.project}
        asked |= {"name": search.name, "since": None if search.since is None else rfc3339(search.since)}
        asked |= {"label": [f"{name}={value}" for name, value in search.labels.items()], "limit": 1000}
        query = urlencode({name: value for name, value in asked.items() if value is not None}, doseq=True)
        return [job async for page in self._pages(f"/api/v1/jobs?{query}", "jobs") for job in page]

    async def items(self, name: str, state: ItemState | None = None) -> AsyncIterator[Sequence[Described]]:
        path = f"{_path(name)}/items?limit=1000"
        async for page in self._pages(f"{path}&state={state}" if state is not None else path, "items"):
            yield page

    async def whole(self, name: str) -> AsyncIterator[bytes]:
        document = await self._ask(_path(name))
        head = json.dumps({"job": document["job"], "batches": document["batches"]})
        yield head.removesuffix("}").encode() + b', "items": ['
        first = True
        async for page in self.items(name):
            for item in page:
                yield (b"\n" if first else b",\n") + json.dumps(item).encode()
                first = False
        yield b"]}\n"

    async def report(self, name: str) -> bytes:
        path = f"{_path(name)}/report"
        page = await anyio.to_thread.run_sync(partial(fetch, self._settings, path, required=True))
        if page is None:
            raise UnreachableError(_NOTHING.format(path))
        return page

    async def awaited(self, name: str) -> str | None:
        del name
        return None

    async def standstill(self, name: str) -> Described:
        document = await self._ask(_path(name))
        return {key: document.get(key) for key in ("unchanged_since", "waits_for", "undelivered")}

    async def history(self, name: str) -> AsyncIterator[Sequence[Described]]:
        async for page in self._pages(f"{_path(name)}/history?limit=1000", "events"):
            yield page

    async def why(self, name: str) -> tuple[Described, bool]:
        return await self._ask(f"{_path(name)}/why"), True

    async def _pages(self, path: str | None, name: str) -> AsyncIterator[Sequence[Described]]:
        while path is not None:
            page = await self._ask(path)
            yield page[name]
            path = page["next"]

    async def _ask(self, path: str) -> Described:
        document = await anyio.to_thread.run_sync(partial(ask, self._settings, path, required=True))
        if document is None:
            raise UnreachableError(_NOTHING.format(path))
        return document


class Database:
    """Reads jobs from the database."""

    def __init__(self, store: Store, settings: Settings, clock: Clock | None = None) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock or SystemClock()

    async def job(self, name: str) -> tuple[Described, Sequence[Described]]:
        job = await job_named(self._store, name)
        (described,) = await self._described([job])
        return described, await describe_batches(self._store, await self._store.batches.of_job(job.id))

    async def jobs(self, search: JobCriteria) -> list[Described]:
        return await self._described(await self._store.jobs.list(search=search))

    async def items(self, name: str, state: ItemState | None = None) -> AsyncIterator[Sequence[Described]]:
        job = await job_named(self._store, name)
        async for portion in self._store.items.stream(job.id, state=state):
            yield [describe_item(item, self._context(job).link) for item in portion]

    async def whole(self, name: str) -> AsyncIterator[bytes]:
        job = await job_named(self._store, name)
        async for portion in as_json(self._store, job, self._context(job).link):
            yield portion

    async def report(self, name: str) -> bytes:
        job = await job_named(self._store, name)
        return await compose_report(self._store, job, self._context(job), now=SystemClock().now())

    def _context(self, job: Job) -> Context:
        return context_of(self._settings, job.spec)

    async def awaited(self, name: str) -> str | None:
        return await awaited(self._store, await job_named(self._store, name))

    async def standstill(self, name: str) -> Described:
        job = await job_named(self._store, name)
        notices = {"undelivered": describe_notices(await self._store.notices.undelivered(job.id))}
        return await describe_standstill(self._store, job, self._open_items.get(job.spec.account)) | notices

    async def history(self, name: str) -> AsyncIterator[Sequence[Described]]:
        job = await job_named(self._store, name)
        async for portion in self._store.history.stream(job.id):
            yield [describe_event(event) for event in portion]

    async def why(self, name: str) -> tuple[Described, bool]:
        job = await job_named(self._store, name)
        if await anyio.to_thread.run_sync(from_daemon, self._settings) is not None:
            described = await anyio.to_thread.run_sync(ask, self._settings, f"{_path(name)}/why")
            if described is not None:
                return described, True
        most = self._open_items.get(job.spec.account)
        found = await why(self._store, job, open_items=most, account=None, now=self._clock.now())
        return describe_why(job, found), False

    async def _described(self, jobs: Sequence[Job]) -> list[Described]:
        ends = await expected_ends(self._store, jobs, self._open_items, self._clock.now())
        return [describe_job(job) | {"expected_end": when(ends.get(job.id))} for job in jobs]

    @property
    def _open_items(self) -> Mapping[str, int]:
        return {name: account.limits.open_items for name, account in self._settings.accounts.items()}


def _path(name: str) -> str:
    return f"/api/v1/jobs/{quote(name, safe='')}"
