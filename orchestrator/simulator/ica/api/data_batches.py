"""Batches that work on data: each item has a course of its own, and says what it made."""

from collections.abc import Sequence
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica.api.batches import Batches
from orchestrator.simulator.ica.protocol import data_wire
from orchestrator.simulator.ica.protocol.bodies import Row
from orchestrator.simulator.ica.protocol.call import Asked
from orchestrator.simulator.ica.work import lifecycle
from orchestrator.simulator.ica.work.entities import Item
from orchestrator.simulator.ica.work.lifecycle import Timeline
from orchestrator.simulator.ica.work.outcomes import Fate
from orchestrator.simulator.ica.work.words import FAILED, Words
from orchestrator.simulator.ica.world import World
from orchestrator.simulator.ledger import Effect


class DataBatches(Batches):
    """One family. The methods that a family replaces come last."""

    effect: str
    """What the ledger calls its work."""
    subject: str
    """The `subjectType` of its jobs."""
    words: Words
    complaint: str
    """The detail of an item that fails."""
    has_older_statuses = False
    """Whether API version 3 knows fewer statuses."""

    def __init__(self, world: World) -> None:
        super().__init__(world, self.subject, self._show)
        self._courses: dict[tuple[str, str], Timeline] = {}

    def create(self, asked: Asked) -> Reply:
        """POST."""
        rows, echo = self.read(asked)
        self.refuse_bad(rows)
        items = [self._item(row, asked, echo) for row in rows]
        self._world.ledger.record(
            Effect(self.effect, item.id, asked.owner, item.name, row.tags.technical, asked.now, asked.key)
            for row, item in zip(rows, items, strict=True)
            if self.counts(item)
        )
        return self.start(asked, rows, items, self.seconds, echo)

    def status(self, owner: str, name: str, now: float) -> str | None:
        """The true status of the latest work on this datum that had an effect; None for none."""
        course = self._courses.get((owner, name))
        return course.status(now) if course is not None else None

    def _item(self, row: Row, asked: Asked, echo: dict[str, Any]) -> Item:
        world = self._world
        item = Item(
            world.new_id(),
            row.name,
            lifecycle.refused(asked.now),
            row.mistake,
            is_link=self.has_older_statuses,
            echo=row.echo,
        )
        if row.mistake is not None:
            return item
        fate = self.fate(row, asked, echo)
        pace = lifecycle.pace_of(row.name, fate, world.knobs, world.seed)
        item.timeline = lifecycle.data_item(asked.now, fate, self.seconds * pace, self.words)
        item.detail = self.complaint
        self.begin(item, row, fate, asked, echo)
        return item

    def _show(self, item: Item, asked: Asked) -> bytes:
        status = self._status(item, asked)
        created = self.created(item, asked) if item.timeline.status(asked.at) in self._making else {}
        return data_wire.item(item, status, created, ids_only=self._world.knobs.echo == "ids")

    @property
    def _making(self) -> frozenset[str]:
        return self.words.successful | {self.words.partial}

    # ------------------------------------------------------------ what differs between families

    @property
    def seconds(self) -> float:
        """How long an item usually takes."""
        return self._world.knobs.data_seconds

    def read(self, asked: Asked) -> tuple[Sequence[Row], dict[str, Any]]:
        """The rows of a request, and the parameters that its batch will show; raises Problem 400."""
        raise NotImplementedError

    def fate(self, row: Row, asked: Asked, echo: dict[str, Any]) -> Fate:
        """What becomes of an item: as its name says, unless what was done before decides."""
        del asked, echo
        return row.fate

    def begin(self, item: Item, row: Row, fate: Fate, asked: Asked, echo: dict[str, Any]) -> None:
        """Remember what the item does."""
        del fate, row, echo
        self._courses[asked.owner, item.name] = item.timeline

    def counts(self, item: Item) -> bool:
        """Whether the ledger has it: valid work."""
        return item.timeline.statuses != (FAILED,)

    def created(self, item: Item, asked: Asked) -> dict[str, Any]:
        """What an item shows of what it made."""
        del item, asked
        return {}
