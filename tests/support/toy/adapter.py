"""The adapter of the toy platform: submissions in two steps, answers per item, polls by id, items that are found."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from orchestrator.domain.errors import Missing, Transient
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import (
    CREATION,
    Batch,
    BatchKey,
    Item,
    ItemReport,
    ItemState,
    Poll,
    PollResult,
    Receipt,
    Stage,
)
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import SECOND
from orchestrator.platforms.http.calls import Call, Effect
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.rate_limit.lanes import Lane
from toy.declared import COPY, KINDS, SESSION, TASK

MINUTE = 60 * SECOND
NAMES = 100
BATCHES_A_LOOK = 1000
STATES = {
    "DRAFT": ItemState.PENDING,
    "QUEUED": ItemState.SUBMITTED,
    "RUNNING": ItemState.RUNNING,
    "COMPLETED": ItemState.SUCCEEDED,
    "FAILED": ItemState.FAILED,
    "ABORTED": ItemState.ABORTED,
}


class Toy:
    """One account."""

    def __init__(self, *, remote: Remote, secret: Any = None, **_unused: Any) -> None:
        self._remote = remote
        self._secret = secret

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {kind.name: kind for kind in KINDS}

    async def user(self) -> str:
        return "toy"

    # ------------------------------------------------------------ submissions

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission | None:
        if batch.kind == "toy.session":
            return None
        requests = [json.loads(item.request or b"{}") for item in items]
        if batch.kind == "toy.file_copy":
            return _submission("copies", {"token": batch.key, "items": requests}, Resend.FIND_FIRST)
        if batch.step == 1:
            return _submission("tasks", {"token": batch.key, **requests[0]}, Resend.FIND_FIRST)
        return _submission(f"tasks/{items[0].remote_id}/run", {}, Resend.SAME_KEY)

    async def submit(self, batch: Batch) -> Receipt:
        sent = batch.submission
        assert sent is not None
        call = await self._call(sent.method, sent.path, Lane.SUBMIT, Effect.UNSAFE, sent.body)
        answer = json.loads((await self._remote.send(call)).body)
        rows = answer["rows"] if batch.kind == "toy.file_copy" else [answer]
        if all(row.get("again") for row in rows):
            raise Transient("the platform has no time for any of these")
        return self._receipt(batch, rows)

    async def reconcile(self, batch: Batch) -> Receipt:
        where = "copies" if batch.kind == "toy.file_copy" else "tasks"
        rows = await self._get(f"{where}?token={batch.key}", Lane.SUBMIT)
        if batch.step > 1:  # a run that was lost may yet arrive: a draft shows nothing
            rows = [row for row in rows if row["status"] != "DRAFT"]
        return self._receipt(batch, sorted(rows, key=lambda row: row["status"] == "DRAFT")[: batch.items])

    def _receipt(self, batch: Batch, rows: Sequence[dict[str, Any]]) -> Receipt:
        stage = COPY if batch.kind == "toy.file_copy" else TASK
        accepted = [row for row in rows if not row.get("again")]  # what the platform had no time for was not sent
        draft = any(row["status"] == "DRAFT" for row in accepted)
        seen = [_seen(batch.key, CREATION if draft else stage, row) for row in accepted]
        # A poll finds the parts, so none may have ended before: nothing polls a batch that has.
        seen = [_unended(report) if row.get("children") else report for report, row in zip(seen, accepted, strict=True)]
        return Receipt(final=not draft, items=seen, more=draft)

    async def knows_instance(self, project: str) -> bool:
        return False

    # ------------------------------------------------------------ polls

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        sessions = [batch for batch in batches if batch.kind == "toy.session"]
        copies = [batch for batch in batches if batch.kind == "toy.file_copy"]
        tasks = [batch for batch in batches if batch.kind != "toy.file_copy"]
        return [
            *_polls("sessions", SESSION, sessions, names=1),
            *_polls("copies", COPY, copies, names=NAMES),
            *_polls("tasks", TASK, tasks, names=NAMES),
        ]

    async def poll(self, poll: Poll) -> PollResult:
        named = {item.remote_id if poll.route != "sessions" else item.key: item for item in poll.named}
        if poll.route != "sessions":
            ids = ",".join(quote(str(each)) for each in named)
            rows = await self._get(f"{poll.route}?ids={ids}", Lane.POLL)
        else:
            rows = await self._session(poll.named[0])
        observations: list[ItemReport] = []
        for row in rows:
            item = named[row["id"]]
            key = poll.homes[item.job, item.batch or 0]
            ended = STATES[row["status"]].final
            children = [_child(key, item.seq, child, parent_ended=ended) for child in row.get("children", ())]
            observations += children  # a parent ends after what it orchestrates
            observations.append(_seen(key, item.stage, row, seq=item.seq, children=children))
        return PollResult(observations)

    async def _session(self, item: Item) -> Sequence[dict[str, Any]]:
        try:
            return await self._get(f"sessions/{quote(item.key)}", Lane.POLL)
        except Missing:
            return [{"id": item.key, "status": "FAILED", "error": "there is no such session"}]

    def follow_up(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        return ()

    async def abort(self, batch: Batch, item: Item) -> None:
        path = f"tasks/{item.remote_id}/abort"
        await self._remote.send(await self._call("POST", path, Lane.CONTROL, Effect.SAFE))

    async def aclose(self) -> None:
        await self._remote.aclose()

    async def _get(self, path: str, lane: Lane) -> Sequence[dict[str, Any]]:
        answer = await self._remote.send(await self._call("GET", path, lane, Effect.SAFE))
        return json.loads(answer.body)["rows"]  # type: ignore[no-any-return]

    async def _call(self, method: str, path: str, lane: Lane, effect: Effect, body: bytes | None = None) -> Call:
        path, _, query = path.partition("?")
        name, _, value = query.partition("=")
        return Call(
            method=method,
            path=f"/{path}",
            lane=lane,
            effect=effect,
            route=f"{method} {path.split('/')[0]}",
            params={name: value} if name else {},
            body=body,
        )


def _submission(path: str, body: dict[str, Any], resend: Resend) -> Submission:
    return Submission("POST", path, {}, json.dumps(body).encode(), resend, search_delay=MINUTE)


def _polls(route: str, stage: Stage, batches: Sequence[Batch], *, names: int) -> list[Poll]:
    portions = [batches[start : start + BATCHES_A_LOOK] for start in range(0, len(batches), BATCHES_A_LOOK)]
    return [
        Poll(
            name=f"{route}:{portion[0].id}",
            route=route,
            project=portion[0].project,
            subjects={batch.key: batch.remote_id for batch in portion},
            batches=tuple(batch.id for batch in portion),
            cost=-(-sum(batch.open for batch in portion) // names) or 1,
            expects=frozenset({stage}),
            names=names,
            homes={(batch.job, batch.number): batch.key for batch in portion},
        )
        for portion in portions
    ]


def _child(key: BatchKey, parent: int, row: dict[str, Any], *, parent_ended: bool) -> ItemReport:
    never_run = parent_ended and row["status"] == "DRAFT"
    state = ItemState.CANCELLED if never_run else STATES[row["status"]]
    detail = "never run" if never_run else row.get("error")
    return ItemReport(key, TASK, state, row["status"], key=row["id"], remote_id=row["id"], detail=detail, parent=parent)


def _seen(
    key: BatchKey, stage: Stage, row: dict[str, Any], *, seq: int | None = None, children: Sequence[ItemReport] = ()
) -> ItemReport:
    state, done = STATES[row["status"]], [child.state is ItemState.SUCCEEDED for child in children]
    if state is ItemState.SUCCEEDED and not all(done):
        state = ItemState.PARTIAL if any(done) else ItemState.FAILED
    facts = json.dumps({"price": row["price"]}) if "price" in row else None
    named = {"seq": seq} if seq is not None else {"key": row["name"]}
    return ItemReport(
        key, stage, state, row["status"], remote_id=row["id"], detail=row.get("error"), facts=facts, **named
    )


def _unended(report: ItemReport) -> ItemReport:
    return msgspec.structs.replace(report, state=ItemState.SUBMITTED) if report.state.final else report
