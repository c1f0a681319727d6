"""Tasks of ODM: asked about one by one, and what is reported of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from orchestrator.domain.errors import Missing
from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport, ItemState, Poll, Stage
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.odm import wire
from orchestrator.platforms.odm.session import Session
from orchestrator.platforms.odm.statuses import task_state

_BLOCKED: Final = "a task that it depends on failed; it resumes once that one is run again"


@dataclass(frozen=True, slots=True)
class Subject:
    """One item of a poll, and the id by which the platform knows it."""

    item: Item
    batch: BatchKey
    remote_id: str


def polls_of(batches: Sequence[Batch], route: str, stage: Stage) -> list[Poll]:
    """One poll for each of these batches of one item: what cannot be read of one delays no other."""
    return [
        Poll(
            name=f"{route}:{batch.id}",
            route=route,
            project=batch.project,
            subjects={batch.key: batch.remote_id},
            batches=(batch.id,),
            homes={(batch.job, batch.number): batch.key},
            cost=1,
            expects=frozenset({stage}),
            names=1,
        )
        for batch in batches
        if batch.open
    ]


def subject_of(poll: Poll) -> Subject | None:
    """What a poll asks about; an adopted batch of one gives its item the id."""
    if not poll.named:
        return None
    [item] = poll.named
    [(batch, batch_id)] = poll.subjects.items()
    remote_id = item.remote_id or batch_id
    return Subject(item, batch, remote_id) if remote_id is not None else None


async def task_info(session: Session, task_id: str) -> wire.TaskInfo | None:
    """A task by its id; None where there is none."""
    try:
        return read(await session.get(f"/api/v1/tasks/{quote(task_id, safe='')}", "tasks/get"), wire.TASK_INFO)
    except Missing:
        return None


def task_report(
    info: wire.TaskInfo,
    batch: BatchKey,
    stage: Stage,
    *,
    seq: int | None = None,
    key: str | None = None,
    facts: str | None = None,
) -> ItemReport:
    """What ODM says of a task. It never says why one failed."""
    status, ended_at = info.status or wire.NO_STATUS, wire.moment(info.ended_at)
    state, known = task_state(status, ended=bool(info.ended_at))
    detail = None
    if state is ItemState.ATTENTION:
        detail = _BLOCKED
    elif state is ItemState.FAILED:
        detail = f"ODM says {status} of task {info.id}, and not why: the task's page in ODM has its log"
    return ItemReport(
        batch=batch,
        stage=stage,
        state=state,
        status=status,
        seq=seq,
        key=key,
        remote_id=str(info.id) if info.id is not None else None,
        detail=detail,
        finished_at=ended_at if state.final else None,
        known_status=known,
        facts=facts,
    )
