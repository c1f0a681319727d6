"""`/jobs/NAME`: one job, its items, its batches and its history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from orchestrator.clock import SECOND
from orchestrator.domain.lifecycle import ADOPTABLE_STATES, RETRIED_STATES
from orchestrator.domain.model import BatchState, Item, ItemState, Job
from orchestrator.engine.report.compose import compose_report
from orchestrator.engine.report.context import context_of
from orchestrator.engine.report.policy import policy
from orchestrator.engine.result_document import Link
from orchestrator.store.reading.history import HistoryEvent
from orchestrator.store.reading.item_search import NOTHING, SHOWN_OF_PARENT, ItemFilter, ItemsFound
from orchestrator.web.components import Shown
from orchestrator.web.pages.content.job_actions import OUT, may_give_up, may_retry
from orchestrator.web.pages.content.job_outlook import read_outlook
from orchestrator.web.pages.content.progress_bar import progress_bar
from orchestrator.web.pages.forms import Query
from orchestrator.web.pages.job_list import job_url
from orchestrator.web.pages.site import Site

PAGE = 100
"""Items or batches on a page."""
EVENTS = 100
"""Events on a page."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One line of the items."""

    item: Item
    seconds: float | None
    """How long it took; None while it has not ended."""
    under: str | None = None
    """The key of its parent, where that is not the line above."""
    is_child: bool = False
    more: int = 0
    """Found items below it that are not on the page."""
    retry: str | None = None
    """The address of the page that retries it."""
    give_up: str | None = None
    """The address of the page that gives it up."""
    found_url: str | None = None
    link: str | None = None
    """Its page on the platform."""


class JobPage:
    """The pages of one job."""

    def __init__(self, site: Site, shown: Shown) -> None:
        self._site = site
        self._shown = shown
        self._store = shown.store

    async def items(self, request: Request) -> Response:
        """The job with its items."""
        query = Query.of(request.query_params)

        async def read() -> Mapping[str, Any]:
            async with self._store.snapshot():
                job = await self.named(request)
                return await self._head(job, "items") | await self._items(job, query)

        return await self._site.page(request, "items.html", read)

    async def batches(self, request: Request) -> Response:
        """The job with its batches."""
        query = Query.of(request.query_params)

        async def read() -> Mapping[str, Any]:
            async with self._store.snapshot():
                job = await self.named(request)
                return await self._head(job, "batches") | await self._batches(job, query)

        return await self._site.page(request, "batches.html", read)

    async def history(self, request: Request) -> Response:
        """The job with its events, the newest first."""
        query = Query.of(request.query_params)

        async def read() -> Mapping[str, Any]:
            async with self._store.snapshot():
                job = await self.named(request)
                return await self._head(job, "history") | await self._history(job, query)

        return await self._site.page(request, "history.html", read)

    async def report(self, request: Request) -> Response:
        """The report of the job as it is now: the page that its results have as JOB.html, under its own policy."""
        job = await self.named(request)

        async def render() -> str:
            context = context_of(self._shown.settings, job.spec)
            return (await compose_report(self._store, job, context, now=self._shown.clock.now())).decode()

        kept = await self._site.cache.get(f"report {job.id}", render)
        return HTMLResponse(kept.html, headers={"Content-Security-Policy": policy()})

    async def named(self, request: Request) -> Job:
        """The job of a request.

        Raises:
            HTTPException: there is none.
        """
        name: str = request.path_params["name"]
        job = await self._store.jobs.get(name) if "\0" not in name else None
        if job is None:
            raise HTTPException(404, f"no job is named {name!r}; its file may still be in incoming/, see Files")
        return job

    async def _head(self, job: Job, tab: str) -> dict[str, Any]:
        return {
            "section": "jobs",
            "tab": tab,
            "job": job,
            "url": job_url(job.spec.name),
            "bar": progress_bar(job.counts),
            "outlook": await read_outlook(self._shown, job),
            "undelivered": await self._store.notices.undelivered(job.id) if job.spec.notify is not None else (),
            "may_retry": may_retry(job),
            "may_give_up": may_give_up(job),
        }

    async def _batches(self, job: Job, query: Query) -> dict[str, Any]:
        chosen = query.text("state")
        states = [state for state in BatchState if state == chosen]
        found = await self._store.batch_pages.page(job.id, states, after=query.number("after"), limit=PAGE + 1)
        page, path = found[:PAGE], f"{job_url(job.spec.name)}/batches"
        return {
            "batches": page,
            "counts": await self._store.batches.counts(page),
            "adoptable": {batch.number for batch in page if batch.state in ADOPTABLE_STATES},
            "query": query.values,
            "first": query.link(path, after=None) if query.number("after") else None,
            "following": query.link(path, after=page[-1].number) if len(found) > PAGE else None,
        }

    async def _history(self, job: Job, query: Query) -> dict[str, Any]:
        events, following = await self._events(job, query)
        path = f"{job_url(job.spec.name)}/history"
        return {
            "events": events,
            "with_items": query.text("items") == "1",
            "first": query.link(path, before=None) if query.number("before") else None,
            "following": query.link(path, before=following) if following is not None else None,
        }

    async def _events(self, job: Job, query: Query) -> tuple[Sequence[HistoryEvent], int | None]:
        """A page of events, and where the following one begins."""
        before = query.number("before") or None
        if query.text("items") != "1":
            return await self._store.history.newest_without_items(job.id, before=before, limit=EVENTS)
        found = await self._store.history.newest(job.id, before=before, limit=EVENTS + 1)
        return found[:EVENTS], found[EVENTS - 1].id if len(found) > EVENTS else None

    async def _items(self, job: Job, query: Query) -> dict[str, Any]:
        path = job_url(job.spec.name)
        parent_key = query.exact("parent")
        parent = await self._store.item_search.number_of(job.id, parent_key) if parent_key else None
        if parent_key and parent is None:
            raise HTTPException(404, f"{job.spec.name} has no item {parent_key!r}")
        state = next((each for each in ItemState if each == query.text("state")), None)
        wanted = ItemFilter(query.text("q"), state, query.text("status") or None, parent)
        if state is not None and not job.parents and not job.counts.get(state):
            found = NOTHING  # the counts say so, and no row has to be read
        else:
            found = await self._store.item_search.page(job.id, wanted, after=query.number("after"), limit=PAGE)
        may_retry = job.cancelled_at is None or job.state.settled
        rows = _rows(found, query, path, link=context_of(self._shown.settings, job.spec).link, may_retry=may_retry)
        return {
            "rows": rows,
            "query": query.values,
            "filtered": bool(wanted.text or wanted.state or wanted.status),
            "parent": parent_key or None,
            "statuses": sorted({row.item.status for row in rows if row.item.status}),
            "first": query.link(path, after=None) if query.number("after") else None,
            "following": query.link(path, after=found.next) if found.next is not None else None,
        }


def _rows(found: ItemsFound, query: Query, path: str, *, link: Link | None, may_retry: bool) -> Sequence[ItemRow]:
    rows = []

    def row(item: Item, **more: Any) -> ItemRow:  # noqa: ANN401 - the fields of a row
        address = link(item.remote_id) if link is not None else None
        return ItemRow(item, _seconds(item), link=address, **more)

    for item in found.items:
        under = found.under.get(item.seq, ())
        parent = found.parents.get(item.parent) if item.parent is not None and not query.exact("parent") else None
        asked = item.parent is None  # found items are neither sent nor ended one by one
        retry = query.link(f"{path}/retry", **_only(item.key)) if asked and may_retry and _retried(item) else None
        give_up = query.link(f"{path}/give-up", **_only(item.key)) if asked and item.state in OUT else None
        found_url = query.link(path, **_only(None), parent=item.key) if item.found else None
        more = max(0, item.found - SHOWN_OF_PARENT) if under else item.found
        rows.append(row(item, under=parent, more=more, retry=retry, give_up=give_up, found_url=found_url))
        rows += [row(child, is_child=True) for child in under]
    return rows


def _only(key: str | None) -> Mapping[str, str | None]:
    """The parameters of a page that is about one item, without those of the list."""
    return {"item": key, "q": None, "state": None, "status": None, "after": None}


def _retried(item: Item) -> bool:
    return item.state in RETRIED_STATES


def _seconds(item: Item) -> float | None:
    if item.submitted_at is None or item.finished_at is None:
        return None
    return max(0.0, (item.finished_at - item.submitted_at) / SECOND)
