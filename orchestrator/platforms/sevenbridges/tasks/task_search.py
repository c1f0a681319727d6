"""Finds tasks by the mark in their description. The platform's list has no filter by name or description.

A task that was never sent as far as our records go is looked up in one list of its project, read once by each process;
a task whose answer was lost, in a list of what was created since.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import anyio
import msgspec

from orchestrator.clock import Micros
from orchestrator.domain.errors import Missing
from orchestrator.domain.model import Batch, BatchKey
from orchestrator.domain.units import SECOND
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.sevenbridges import wire
from orchestrator.platforms.sevenbridges.protocol.listing import pages
from orchestrator.platforms.sevenbridges.protocol.marks import Mark, in_description, read_mark
from orchestrator.platforms.sevenbridges.session import Session

FIELDS: Final = "id,name,status,description,errors,batch,parent,created_time"
_SLACK: Micros = 600 * SECOND
"""A task may seem to be that much older than its request: the platform's clock and ours differ."""

Marked = Mapping[BatchKey, Sequence[wire.Task]]


class TaskSearch:
    """Searches the projects of one account."""

    def __init__(self, session: Session, instance: str, page_size: int) -> None:
        self._session = session
        self._instance = instance
        self._page_size = page_size
        self._marked: dict[str, Marked] = {}
        """By project: the tasks that this installation had made before this process."""
        self._reading: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    async def reconcile(self, batch: Batch) -> Sequence[wire.Task]:
        """The tasks that bear the mark of this batch; more than one where the network repeated a request."""
        if batch.first_sent_at is None:
            return (await self._before(batch.project)).get(batch.key, ())
        since = batch.first_sent_at - _SLACK
        return (await self._read(batch.project, {"created_from": wire.written(since)})).get(batch.key, ())

    async def get(self, task_id: str) -> wire.Task | None:
        """A task by its id; None where there is none."""
        try:
            answer = await self._session.get(f"/tasks/{quote(task_id, safe='')}", "tasks/get", {"fields": FIELDS})
        except Missing:
            return None
        return read(answer, wire.TASK)

    async def _before(self, project: str) -> Marked:
        async with self._reading[project]:  # who comes first reads, for all that wait
            if project not in self._marked:
                self._marked[project] = await self._read(project, {})
            return self._marked[project]

    async def _read(self, project: str, filters: Mapping[str, str]) -> Marked:
        """The tasks of this installation in a project, oldest first: what is created meanwhile comes last."""
        order = {"order_by": "created_time", "order": "asc", "fields": FIELDS}
        params = {"project": project, **order, **filters}
        found: defaultdict[BatchKey, dict[str, wire.Task]] = defaultdict(dict)
        async for page in pages(
            self._session, "/tasks", "tasks/list", params=params, reader=wire.TASKS, size=self._page_size
        ):
            for task in page:
                mark = read_mark(task.description)
                if mark is not None and mark.instance == self._instance and task.parent is None:
                    found[mark.key][task.id] = _kept(task, mark)
        return {key: list(tasks.values()) for key, tasks in found.items()}


def _kept(task: wire.Task, mark: Mark) -> wire.Task:
    """The task without what would keep the page that it came from, or a long description, in memory."""
    return msgspec.structs.replace(task, description=in_description(None, mark), errors=task.errors.copy())
