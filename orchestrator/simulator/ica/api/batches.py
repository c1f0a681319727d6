"""What all families of batches have in common: their answer, their pages, their single items."""

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica import quirks
from orchestrator.simulator.ica.protocol import wire
from orchestrator.simulator.ica.protocol.bodies import ItemFilter, Row, read
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

    def start(
        self,
        asked: Asked,
        rows: Sequence[Row],
        items: Sequence[Item],
        usual_seconds: float,
        echo: dict[str, Any] | None = None,
    ) -> Reply:
        """Remember a new batch and answer with it; `items` belong to `rows` one by one."""
        world = self._world
        batch_id = world.new_id()
        timeline = job_timeline(
            asked.now, [item.timeline for item in items], usual_seconds, stuck=asked.strikes(quirks.JOB_STUCK)
        )
        job = world.start_job(
            self._subject_type, batch_id, asked.owner, asked.user, timeline, in_bundle=asked.in_bundle
        )
        listed = [item for row, item in zip(rows, items, strict=True) if not row.fate.unlisted]
        if asked.strikes(quirks.ITEM_UNLISTED):
            del listed[len(listed) // 2]
        if world.knobs.page_order == "shuffled":
            world.order(batch_id).shuffle(listed)
        shown = echo if echo is not None and world.knobs.echo == "full" else {}
        batch = Batch(batch_id, asked.owner, job, listed, {item.id: item for item in items}, shown)
        world.batches[batch_id] = batch
        return asked.json(wire.batch(batch, self._job(asked, batch)), 201)

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
        return asked.json(wire.batch(batch, wire.job(batch.job, asked.at)))

    def items(self, asked: Asked) -> Reply:
        """GET …/{batch}/items; with the filter in the body where the family is listed by POST …/items:search."""
        batch, world = self._find(asked), self._world
        statuses = frozenset(_statuses(asked))

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
        found = batch is not None and batch.owner == asked.owner and batch.job.subject_type == self._subject_type
        return known(batch if found else None, "The batch")

    def _job(self, asked: Asked, batch: Batch) -> bytes | None:
        if self._world.knobs.job_null or asked.strikes(quirks.JOB_NULL):
            return None
        return wire.job(batch.job, asked.now)


def _statuses(asked: Asked) -> Sequence[str]:
    if asked.request.method == "POST" and not asked.request.body:
        return ()
    if asked.request.method == "POST":
        return [status for status in read(asked.request.body, ItemFilter).status or () if status is not None]
    return asked.request.query.get("status", ())
