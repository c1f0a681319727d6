"""`dataLinkingBatch`: data of other projects, linked into this one."""

import math

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica.api.batches import Batches
from orchestrator.simulator.ica.protocol import wire
from orchestrator.simulator.ica.protocol.bodies import Row, link_rows
from orchestrator.simulator.ica.protocol.call import Asked
from orchestrator.simulator.ica.work import lifecycle
from orchestrator.simulator.ica.work.entities import Item
from orchestrator.simulator.ica.work.lifecycle import Timeline
from orchestrator.simulator.ica.work.outcomes import Fate, Outcome
from orchestrator.simulator.ica.world import World
from orchestrator.simulator.ledger import Effect

SUBJECT = "ProjectDataLinkingBatch"


class LinkBatches(Batches):
    """Links data and tells how far it is. Linking the same again does no harm."""

    def __init__(self, world: World) -> None:
        super().__init__(world, SUBJECT, self._show)
        self._links: dict[tuple[str, str], Timeline] = {}

    def create(self, asked: Asked) -> Reply:
        """POST."""
        rows = link_rows(asked.request.body)
        self.refuse_bad(rows)
        items = [self._item(row, asked) for row in rows]
        self._world.ledger.record(
            Effect("link", item.id, asked.project, item.name, (), asked.now, None) for item in items
        )
        return self.start(asked, rows, items, self._world.knobs.link_seconds)

    def status(self, project: str, data_id: str, now: float) -> str | None:
        """The true status of the latest link of this data into this project that had an effect; None for none."""
        timeline = self._links.get((project, data_id))
        return timeline.status(now) if timeline is not None else None

    def _item(self, row: Row, asked: Asked) -> Item:
        world, knobs = self._world, self._world.knobs
        item = Item(world.new_id(), row.name, lifecycle.refused(asked.now), row.mistake, is_link=True)
        if row.mistake is not None:
            return item
        fate = self._fate(row, asked)
        item.timeline = lifecycle.link(asked.now, fate, lifecycle.pace_of(row.name, fate, knobs, world.seed), knobs)
        item.detail = "The data could not be linked"
        if fate is row.fate:
            self._links[asked.project, row.name] = item.timeline
        return item

    def _fate(self, row: Row, asked: Asked) -> Fate:
        """As the name says, unless the data is linked already, or just being linked by an earlier item."""
        earlier = self._links.get((asked.project, row.name))
        if earlier is None or earlier.statuses[-1] == "FAILED" or earlier.ends == math.inf:
            return row.fate
        racing = asked.now < earlier.ends and self._world.knobs.link_race == "failed"
        if not racing and earlier.statuses[-1] == "PARTIALLY_LINKED":
            return row.fate
        return Fate(Outcome.FAIL if racing else Outcome.ALREADY, row.fate.slow, row.fate.unlisted)

    def _show(self, item: Item, asked: Asked) -> bytes:
        return wire.link_item(item, asked.project, asked.at, asked.version)
