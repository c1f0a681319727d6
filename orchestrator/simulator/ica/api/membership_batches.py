"""Data of elsewhere, linked into projects and bundles, and taken out again."""

import math
from collections.abc import Sequence
from typing import Any

from orchestrator.simulator.ica.api.data_batches import DataBatches
from orchestrator.simulator.ica.protocol import data_wire
from orchestrator.simulator.ica.protocol.bodies import Row, read
from orchestrator.simulator.ica.protocol.call import Asked
from orchestrator.simulator.ica.protocol.data_bodies import DataBatch, data_rows
from orchestrator.simulator.ica.work import words
from orchestrator.simulator.ica.work.entities import Item
from orchestrator.simulator.ica.work.lifecycle import Timeline
from orchestrator.simulator.ica.work.outcomes import Fate, Outcome
from orchestrator.simulator.ica.world import World

Memberships = dict[tuple[str, str], tuple[str, Timeline]]
"""By owner and data: the latest work that had an effect, `link` or `unlink`, and its course."""


class MembershipBatches(DataBatches):
    """Doing the same again does no harm. Links and their removal in one place share `memberships`."""

    def __init__(self, world: World, memberships: Memberships) -> None:
        super().__init__(world)
        self._memberships = memberships

    @property
    def seconds(self) -> float:
        return self._world.knobs.link_seconds

    def read(self, asked: Asked) -> tuple[Sequence[Row], dict[str, Any]]:
        return data_rows(read(asked.request.body, DataBatch).items), {}

    def fate(self, row: Row, asked: Asked, echo: dict[str, Any]) -> Fate:
        """As the name says, unless it is so already, or an earlier item is at work on the same data."""
        del echo
        earlier, course = self._memberships.get((asked.owner, row.name), ("", None))
        if course is None or course.statuses[-1] == words.FAILED or course.ends == math.inf:
            return row.fate
        racing = asked.now < course.ends and self._world.knobs.link_race == "failed"
        if not racing and (earlier != self.effect or course.statuses[-1] == self.words.partial):
            return row.fate
        return Fate(Outcome.FAIL if racing else Outcome.ALREADY, row.fate.slow, row.fate.unlisted)

    def begin(self, item: Item, row: Row, fate: Fate, asked: Asked, echo: dict[str, Any]) -> None:
        if fate is row.fate:
            super().begin(item, row, fate, asked, echo)
            self._memberships[asked.owner, row.name] = self.effect, item.timeline

    def counts(self, item: Item) -> bool:
        """Every item that asked for it."""
        del item
        return True


class LinkBatches(MembershipBatches):
    """`dataLinkingBatch` of a project."""

    effect = "link"
    subject = "ProjectDataLinkingBatch"
    words = words.LINKING
    complaint = "The data could not be linked"
    has_older_statuses = True

    def created(self, item: Item, asked: Asked) -> dict[str, Any]:
        return data_wire.project_data(item.name, asked.owner)


class UnlinkBatches(MembershipBatches):
    """`dataUnlinkingBatch` of a project."""

    effect = "unlink"
    subject = "ProjectDataUnlinkingBatch"
    words = words.UNLINKING
    complaint = "The data could not be unlinked"


class BundleLinkBatches(MembershipBatches):
    """`dataLinkingBatch` of a bundle."""

    effect = "bundle_link"
    subject = "BundleDataLinkingBatch"
    words = words.LINKING
    complaint = "The data could not be linked to the bundle"

    def created(self, item: Item, asked: Asked) -> dict[str, Any]:
        return data_wire.bundle_data(item.name, asked.owner)


class BundleUnlinkBatches(MembershipBatches):
    """`dataUnlinkingBatch` of a bundle."""

    effect = "bundle_unlink"
    subject = "BundleDataUnlinkingBatch"
    words = words.UNLINKING
    complaint = "The data could not be unlinked from the bundle"
