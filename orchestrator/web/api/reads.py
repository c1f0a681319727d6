"""`/api/v1`: reads jobs, their items and accounts. Changes are made with queue files only."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from fastapi import Query
from pydantic import StringConstraints, WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from orchestrator.domain.model import ItemState, Job, JobId, JobState
from orchestrator.domain.search_terms import labels_in, parse_since
from orchestrator.domain.units import Micros, rfc3339
from orchestrator.engine.outlook.expected_end import expected_ends
from orchestrator.engine.outlook.why import describe_why, why
from orchestrator.engine.report.compose import compose_report
from orchestrator.engine.report.context import context_of
from orchestrator.engine.report.policy import policy
from orchestrator.engine.result_document import (
    describe_batches,
    describe_event,
    describe_item,
    describe_job,
    describe_standstill,
    when,
)
from orchestrator.notify.documents import describe_notices
from orchestrator.platforms.http.contact import LONG
from orchestrator.store.reading.job_criteria import JobCriteria
from orchestrator.web.api.accounts import Live, describe_accounts
from orchestrator.web.api.responses import JSON, document
from orchestrator.web.components import Shown, account_now, failing_since

_LARGEST_PAGE = 1000
_PORTION = 250
"""Items that are read and encoded at a time: about as many bytes as go to a connection at once."""
_LARGEST_NUMBER = 2**63 - 1
"""The range of an integer column."""

OfState = Annotated[JobState | None, Query(description="Only jobs in this state.")]
_TEXT = r"^[^\x00]*$"
"""PostgreSQL cannot store NUL characters or compare with them."""
OfAccount = Annotated[str | None, Query(pattern=_TEXT, description="Only jobs on this account.")]
OfProject = Annotated[str | None, Query(pattern=_TEXT, description="Only jobs of this project.")]
_Label = Annotated[str, StringConstraints(pattern=r"^[^=\x00]+=[^\x00]*$")]
WithLabels = Annotated[
    Sequence[_Label], Query(description="Only jobs with this label, as `run=0172`; several: with all of them.")
]
Named = Annotated[
    str | None, Query(pattern=_TEXT, description="Only jobs with this text in their name, without regard to case.")
]
_SINCE: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": "^[1-9][0-9]{0,3}(ms|s|m|h|d)$"},
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
    ]
}
Since = Annotated[
    Annotated[str, WithJsonSchema(_SINCE)] | None,
    Query(description="Only jobs accepted since: a duration such as `7d`, a date, or a time in RFC 3339."),
]
Page = Annotated[int, Query(ge=1, le=_LARGEST_PAGE, description="Jobs in one answer.")]
Before = Annotated[
    str | None, Query(pattern=_TEXT, description="From the `next` of an answer; do not make it yourself.")
]
ItemOfState = Annotated[ItemState | None, Query(description="Only items in this state.")]
Most = Annotated[
    int | None, Query(ge=1, le=_LARGEST_NUMBER, description="Items in one answer; all of them where it is left out.")
]
EventPage = Annotated[int, Query(ge=1, le=_LARGEST_PAGE, description="Events in one answer.")]
After = Annotated[int, Query(ge=0, le=_LARGEST_NUMBER, description="From the `next` of an answer.")]


class Api:
    """The read-only routes for jobs and accounts."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._store = shown.store

    async def jobs(
        self,
        *,
        state: OfState = None,
        account: OfAccount = None,
        project: OfProject = None,
        label: WithLabels = (),
        name: Named = None,
        since: Since = None,
        limit: Page = 100,
        before: Before = None,
    ) -> Response:
        """Jobs, the newest first; `next` is the path of the next page, or null."""
        after = _since(since, self._shown.clock.now()) if since is not None else None
        search = JobCriteria(state, account, project, name, labels_in(label), after)
        before_id = JobId(before) if before is not None else None
        found = await self._store.jobs.page(search=search, before=before_id, limit=limit + 1)
        shown = found[:limit]
        following = None
        if len(found) > limit:
            # The time itself: a duration would count from a later now.
            chosen = {"state": state, "account": account, "project": project, "label": list(label), "name": name}
            time = rfc3339(after) if after is not None else None
            following = _link("/api/v1/jobs", **chosen, since=time, limit=limit, before=shown[-1].id)
        ends = await expected_ends(self._store, shown, self._shown.open_items, self._shown.clock.now())
        described = [describe_job(job) | {"expected_end": when(ends.get(job.id))} for job in shown]
        return document({"jobs": described, "next": following})

    async def job(self, name: str) -> Response:
        """One job with its batches: the head of its result, also while it is running."""
        job = await self._named(name)
        batches = await self._store.batches.of_job(job.id)
        limits = self._shown.open_items
        ends = await expected_ends(self._store, [job], limits, self._shown.clock.now())
        body = {"job": describe_job(job), "batches": await describe_batches(self._store, batches)}
        body |= await describe_standstill(self._store, job, limits.get(job.spec.account))
        notices = describe_notices(await self._store.notices.undelivered(job.id))
        return document(body | {"expected_end": when(ends.get(job.id)), "undelivered": notices})

    async def history(self, name: str, limit: EventPage = 1000, after: After = 0) -> Response:
        """What happened to one job, the oldest first; `next` is the path of the next page, or null."""
        job = await self._named(name)
        found = await self._store.history.page(job.id, after=after, limit=limit + 1)
        shown = found[:limit]
        more = len(found) > limit
        path = f"/api/v1/jobs/{job.spec.name}/history"
        following = _link(path, limit=limit, after=shown[-1].id) if more else None
        return document({"events": [describe_event(event) for event in shown], "next": following})

    async def why(self, name: str) -> Response:
        """What one job waits for, when it is polled next and when it is expected to settle."""
        job, shown = await self._named(name), self._shown
        connected = next((each for each in shown.accounts if each.name == job.spec.account), None)
        found = await why(
            self._store,
            job,
            open_items=shown.open_items.get(job.spec.account),
            account=account_now(connected, shown.clock) if connected is not None else None,
            now=shown.clock.now(),
        )
        return document(describe_why(job, found))

    async def report(self, name: str) -> Response:
        """The report of one job as it is now: one HTML page without scripts."""
        job = await self._named(name)
        context = context_of(self._shown.settings, job.spec)
        page = await compose_report(self._store, job, context, now=self._shown.clock.now())
        return Response(page, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy()})

    async def items(self, name: str, state: ItemOfState = None, limit: Most = None, after: After = 0) -> Response:
        """The items of one job in order, streamed; `next` is the path of the next page, or null."""
        job = await self._named(name)
        return StreamingResponse(self._stream(job, state, limit, after), media_type=JSON)

    async def accounts(self) -> Response:
        """The accounts with their current state in the daemon."""
        shown = self._shown
        live = {
            each.name: Live(
                each.budget.snapshot(),
                each.dispatch.refusal,
                each.dispatch.last_error,
                closed_because=each.dispatch.closed_because,
                failing_since=failing_since(each, shown.clock, least=LONG),
                skew=each.skew.seconds if each.skew.known else None,
            )
            for each in shown.accounts
        }
        return document(await describe_accounts(shown.settings, shown.store, instance=shown.instance, live=live))

    async def _named(self, name: str) -> Job:
        job = await self._store.jobs.get(name) if "\0" not in name else None
        if job is None:
            raise HTTPException(
                404, f"no job is named {name!r}; a file that is still in incoming/ has not created its jobs yet"
            )
        return job

    async def _stream(self, job: Job, state: ItemState | None, limit: int | None, after: int) -> AsyncIterator[bytes]:
        """One item per line, as in the result. While the caller reads, only encoded items are kept, and few of them."""
        yield b'{"items": ['
        sent, more = 0, True
        while more and (limit is None or sent < limit):
            size = _PORTION if limit is None else min(_PORTION, limit - sent)
            lines, count, after, more = await self._portion(job, state, size, after)
            if count:
                yield lines if sent == 0 else b"," + lines
            sent += count
        path = f"/api/v1/jobs/{job.spec.name}/items"
        following = _link(path, state=state, limit=limit, after=after) if more else None
        yield b'],\n"next": ' + msgspec.json.encode(following) + b"}\n"

    async def _portion(self, job: Job, state: ItemState | None, size: int, after: int) -> tuple[bytes, int, int, bool]:
        """Up to `size` items as JSON, how many they are, the number of the last one, and whether more follow."""
        link = context_of(self._shown.settings, job.spec).link
        found = await self._store.items.page(job.id, state, after=after, limit=size + 1)
        shown = found[:size]
        lines = b",".join(b"\n" + msgspec.json.encode(describe_item(item, link)) for item in shown)
        return lines, len(shown), shown[-1].seq if shown else after, len(found) > size


def _since(text: str, now: Micros) -> Micros:
    try:
        return parse_since(text, now)
    except ValueError as error:
        raise HTTPException(422, f"since: {error}") from None


def _link(path: str, **parameters: str | int | list[str] | None) -> str:
    query = {name: value for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(query, doseq=True)}"
