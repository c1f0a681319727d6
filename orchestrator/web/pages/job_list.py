"""`/`: all jobs, filtered, searched and in pages."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import Job, JobId, JobState
from orchestrator.engine.outlook.expected_end import expected_ends
from orchestrator.store.reading.job_search import JobFilter, JobsFound
from orchestrator.web.components import Shown
from orchestrator.web.pages.content.formatting import split_search
from orchestrator.web.pages.content.progress_bar import ProgressBar, progress_bar
from orchestrator.web.pages.forms import Query
from orchestrator.web.pages.site import Site

PAGE = 50
"""Jobs on a page."""
FOLDED_AFTER = 7 * 86_400 * SECOND
"""After this time jobs that have settled are listed on request only."""
_FILTERS = ("q", "state", "account", "since")
_LIVE = frozenset({JobState.WAITING, JobState.QUEUED, JobState.RUNNING})
_GROUPS: Mapping[str, tuple[str, frozenset[JobState]]] = MappingProxyType(
    {
        "active": ("active", _LIVE),
        "settled": ("settled", frozenset(state for state in JobState if state.settled)),
    }
)
_SINCE: Mapping[str, tuple[str, int]] = MappingProxyType(
    {"1": ("last 24 hours", 86_400), "7": ("last 7 days", 7 * 86_400), "30": ("last 30 days", 30 * 86_400)}
)
"""Days → what they are called, and their seconds."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One line of the list."""

    job: Job
    url: str
    bar: ProgressBar
    expected_end: Micros | None


class JobList:
    """The page of all jobs."""

    def __init__(self, site: Site, shown: Shown) -> None:
        self._site = site
        self._shown = shown
        self._search = shown.store.job_search

    async def get(self, request: Request) -> Response:
        """The page."""
        query = Query.of(request.query_params)

        async def read() -> Mapping[str, Any]:
            async with self._shown.store.snapshot():
                return await self._read(query)

        return await self._site.page(request, "jobs.html", read)

    async def _read(self, query: Query) -> Mapping[str, Any]:
        filtered = any(query.text(name) for name in _FILTERS)
        fold_before = None if filtered or query.text("all") else self._fold_before()
        found = await self._search.page(
            replace(self._filter(query), settled_since=fold_before),
            before=JobId(query.text("before")) if query.text("before") else None,
            after=JobId(query.text("after")) if query.text("after") else None,
            limit=PAGE,
        )
        counts = await self._search.live_counts()
        ends = await expected_ends(self._shown.store, found.jobs, self._shown.open_items, self._shown.clock.now())
        on_hold = sum(count for (_, needs), count in counts.items() if needs is not None)
        return {
            "section": "jobs",
            "rows": [_row(job, ends.get(job.id)) for job in found.jobs],
            "query": query.values,
            "accounts": list(self._shown.settings.accounts),
            "groups": {name: label for name, (label, _) in _GROUPS.items()},
            "periods": {days: label for days, (label, _) in _SINCE.items()},
            "active": sum(counts.values()),
            "on_hold": on_hold,
            "filtered": filtered,
            "folded": fold_before is not None and await self._search.any_settled_before(fold_before),
            "unfolded": bool(query.text("all")) and not filtered,
            "folded_after": FOLDED_AFTER / SECOND,
            **_links(query, found),
        }

    def _fold_before(self) -> Micros:
        """Cut to the hour, so that a page stays the same for a while."""
        moment = self._shown.clock.now() - FOLDED_AFTER
        return moment - moment % (3600 * SECOND)

    def _filter(self, query: Query) -> JobFilter:
        chosen = query.text("state")
        group = _GROUPS.get(chosen)
        states = group[1] if group else frozenset(state for state in JobState if state == chosen)
        period = _SINCE.get(query.text("since"))
        text, labels = split_search(query.text("q"))
        return JobFilter(
            text=text,
            labels=labels,
            states=states,
            on_hold=chosen == "hold",
            account=query.text("account") or None,
            created_since=self._shown.clock.now() - period[1] * SECOND if period else None,
        )


def job_url(name: str) -> str:
    """The address of the page of one job."""
    return f"/jobs/{quote(name, safe='')}"


def _row(job: Job, expected_end: Micros | None) -> JobRow:
    return JobRow(job, job_url(job.spec.name), progress_bar(job.counts), expected_end)


def _links(query: Query, found: JobsFound) -> dict[str, str | None]:
    newer, older = found.newer, found.older
    return {
        "first": query.link("/", before=None, after=None) if newer else None,
        "newer": query.link("/", before=None, after=newer) if newer else None,
        "older": query.link("/", before=older, after=None) if older else None,
    }
