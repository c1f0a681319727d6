"""What both families of batches have in common: their answer, their pages, their single items."""

from collections.abc import Callable, Sequence

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica import quirks
from orchestrator.simulator.ica.protocol import wire
from orchestrator.simulator.ica.protocol.bodies import Row
from orchestrator.simulator.ica.protocol.call import Asked, known
from orchestrator.simulator.ica.protocol.paging import spoilt
from orchestrator.simulator.ica.protocol.problems import BAD_REQUEST, Problem
from orchestrator.simulator.ica.work.entities import Batch, Item
from orchestrator.simulator.ica.work.lifecycle import job as job_timeline
from orchestrator.simulator.ica.world import World

Shown = Callable[[Item, Asked], bytes]
"""How a family writes one item."""


class Batches:
    """One family of batches in one world."""

    def __init__(self, world: World, subject_type: str, shown: Shown) -> None:
        self._world = world
        self._subject_type = subject_type
        self._shown = shown

    def start(self, asked: Asked, rows: Sequence[Row], items: Sequence[Item], usual_seconds: float) -> Reply:
        """Remember a new batch and answer with it; `items` belong to `rows` one by one."""
        world = self._world
        batch_id = world.new_id()
        timeline = job_timeline(
            asked.now, [item.timeline for item in items], usual_seconds, stuck=asked.strikes(quirks.JOB_STUCK)
        )
        job = world.start_job(self._subject_type, batch_id, asked.project, asked.user, timeline)
        listed = [item for row, item in zip(rows, items, strict=True) if not row.fate.unlisted]
        if asked.strikes(quirks.ITEM_UNLISTED):
            del listed[len(listed) // 2]
        if world.knobs.page_order == "shuffled":
            world.order(batch_id).shuffle(listed)
        world.batches[batch_id] = Batch(batch_id, asked.project, job, listed, {item.id: item for item in items})
        return asked.json(wire.batch(batch_id, self._job(asked, world.batches[batch_id])), 201)

    def refuse_bad(self, rows: Sequence[Row]) -> None:
        """Refuse the whole POST for one bad row, when the knob says so; raises Problem 400."""
        if self._world.knobs.bad_item == "fail_item":
            return
        for number, row in enumerate(rows):
            if row.mistake is not None:
                raise Problem(BAD_REQUEST, f"Item {number} is not valid: {row.mistake}")

    def batch(self, asked: Asked) -> Reply:
        """GET …/{batch}."""
        batch = self._find(asked)
        return asked.json(wire.batch(batch.id, wire.job(batch.job, asked.at)))

    def items(self, asked: Asked) -> Reply:
        """GET …/{batch}/items."""
        batch, world = self._find(asked), self._world
        statuses = frozenset(asked.request.query.get("status", ()))

        def wanted(item: Item) -> bool:
            return not statuses or self._status(item, asked) in statuses

        def find() -> Sequence[Item]:
            return batch.listed if not statuses else [item for item in batch.listed if wanted(item)]

        place = f"{batch.id}?{sorted(statuses)}"
        page = world.cursors.page(asked.request, place, find, world.knobs, asked.now).only(wanted)
        page = spoilt(page, asked.fault)
        rows = (self._shown(item, asked) for item in page.rows)
        return asked.json(wire.page(rows, page.rest, null_empty=world.knobs.null_lists))

    def item(self, asked: Asked) -> Reply:
        """GET …/{batch}/items/{item}."""
        return asked.json(self._shown(known(self._find(asked).items.get(asked.ids["item"]), "The item"), asked))

    def _status(self, item: Item, asked: Asked) -> str:
        status = item.status(asked.at)
        return status if asked.version == wire.V4 else wire.v3_link_status(status) if item.is_link else status

    def _find(self, asked: Asked) -> Batch:
        batch = self._world.batches.get(asked.ids["batch"])
        found = batch is not None and batch.project == asked.project and batch.job.subject_type == self._subject_type
        return known(batch if found else None, "The batch")

    def _job(self, asked: Asked, batch: Batch) -> bytes | None:
        if self._world.knobs.job_null or asked.strikes(quirks.JOB_NULL):
            return None
        return wire.job(batch.job, asked.now)
