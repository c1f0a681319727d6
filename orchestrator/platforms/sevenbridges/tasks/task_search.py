"""Finds tasks by the mark in their description. The platform's list has no filter by name or description.

A task that was never sent according to the records is looked up in one list of its project, which each process reads
once, and is then read itself; a task whose answer was lost is looked up in a list of what was created since.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from orchestrator.clock import Micros
from orchestrator.domain.errors import Missing, Transient
from orchestrator.domain.model import Batch, BatchKey
from orchestrator.domain.units import SECOND
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.listed_once import ListedOnce
from orchestrator.platforms.sevenbridges import wire
from orchestrator.platforms.sevenbridges.protocol.listing import pages
from orchestrator.platforms.sevenbridges.protocol.marks import read_mark
from orchestrator.platforms.sevenbridges.session import Session
from orchestrator.platforms.times import for_filter

NOT_THERE: Final = "7002"
"""The code with which the platform says that there is no such task; any other 404 is a gateway's."""
FIELDS: Final = "id,name,status,description,errors,batch,parent"
_SLACK: Micros = 600 * SECOND
"""A task may seem to be that much older than its request: the platform's clock and ours differ."""


class TaskSearch:
    """Searches the projects of one account."""

    def __init__(self, session: Session, instance: str, page_size: int) -> None:
        self._session = session
        self._instance = instance
        self._page_size = page_size
        self._before: dict[str, ListedOnce[Mapping[BatchKey, Sequence[str]]]] = {}
        """By project, see `_made_before`."""

    async def reconcile(self, batch: Batch) -> Sequence[wire.Task]:
        """The tasks that bear the mark of this batch; more than one where the network repeated a request."""
        if batch.first_sent_at is None:
            project = batch.project
            before = self._before.setdefault(project, ListedOnce(lambda _: self._made_before(project)))
            ids = (await before.since(0)).get(batch.key, ())
            return [task for task_id in ids if (task := await self.get(task_id)) is not None]
        since = {"created_from": for_filter(batch.first_sent_at - _SLACK)}
        found = {task.id: task async for key, task in self._marked(batch.project, since) if key == batch.key}
        return list(found.values())

    async def get(self, task_id: str) -> wire.Task | None:
        """A task by its id; None where there is none.

        Raises:
            Transient: something other than the platform says 404.
        """
        try:
            answer = await self._session.get(f"/tasks/{quote(task_id, safe='')}", "tasks/get", {"fields": FIELDS})
        except Missing as missing:
            if missing.code == NOT_THERE:
                return None
            raise Transient(str(missing), status=missing.status) from missing
        return read(answer, wire.TASK)

    async def _made_before(self, project: str) -> Mapping[BatchKey, Sequence[str]]:
        """The ids of the tasks that this installation had made before this process: there may be very many."""
        found: defaultdict[BatchKey, dict[str, None]] = defaultdict(dict)
        async for key, task in self._marked(project, {}):
            found[key][task.id] = None
        return {key: tuple(ids) for key, ids in found.items()}

    async def _marked(self, project: str, filters: Mapping[str, str]) -> AsyncIterator[tuple[BatchKey, wire.Task]]:
        """The tasks of this installation in a project, oldest first: what is created meanwhile comes last."""
        order = {"order_by": "created_time", "order": "asc", "fields": FIELDS}
        params = {"project": project, **order, **filters}
        async for page in pages(
            self._session, "/tasks", "tasks/list", params=params, reader=wire.TASKS, size=self._page_size
        ):
            for task in page:
                mark = read_mark(task.description)
                if mark is not None and mark.instance == self._instance and task.parent is None:
                    yield mark.key, task
