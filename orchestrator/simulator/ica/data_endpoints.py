"""The endpoints of the batches that work on data, under their names in ICA's own description."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.simulator.ica.api.data_batches import DataBatches
from orchestrator.simulator.ica.api.membership_batches import (
    BundleLinkBatches,
    BundleUnlinkBatches,
    LinkBatches,
    Memberships,
    UnlinkBatches,
)
from orchestrator.simulator.ica.api.sample_batches import SampleBatches
from orchestrator.simulator.ica.api.transfer_batches import CopyBatches, MoveBatches, UpdateBatches
from orchestrator.simulator.ica.protocol.call import Operation
from orchestrator.simulator.ica.protocol.media import Media
from orchestrator.simulator.ica.world import World

_V3 = Media()
_TAKES_V3 = Media(takes=(3,))
_TAKES_JSON = Media(takes=(3,), takes_json=True)
_BOTH = Media(gives=(4, 3))
_TAKES_BOTH = Media(gives=(4, 3), takes=(4, 3), takes_json=True)


@dataclass(frozen=True, slots=True)
class _Routes:
    """The routes of one family."""

    family: DataBatches
    name: str
    path: str
    creating: Media = _TAKES_JSON
    reading: Media = _V3
    """Of its items."""
    keyed: bool = False
    posted: bool = False
    """Whether the items are listed by POST."""

    def operations(self) -> Iterator[Operation]:
        listing = self.path + "/{batch}/items"
        yield Operation(f"create{self.name}", "POST", self.path, self.family.create, self.creating, keyed=self.keyed)
        yield Operation(f"get{self.name}", "GET", self.path + "/{batch}", self.family.batch, _V3)
        if self.posted:
            yield Operation(f"get{self.name}Items", "POST", listing + ":search", self.family.items, _TAKES_JSON)
        else:
            yield Operation(f"get{self.name}Items", "GET", listing, self.family.items, self.reading)
        yield Operation(f"get{self.name}Item", "GET", listing + "/{item}", self.family.item, self.reading)


class DataFamilies:
    """All families of batches that work on data, in one world."""

    def __init__(self, world: World) -> None:
        in_projects: Memberships = {}
        in_bundles: Memberships = {}
        self.links = LinkBatches(world, in_projects)
        self.samples = SampleBatches(world)
        project, bundle = "/api/projects/{project}", "/api/bundles/{bundle}"
        self._routes = (
            _Routes(
                self.links,
                "ProjectDataLinkingBatch",
                f"{project}/dataLinkingBatch",
                creating=_TAKES_BOTH,
                reading=_BOTH,
            ),
            _Routes(
                UnlinkBatches(world, in_projects),
                "ProjectDataUnlinkingBatch",
                f"{project}/dataUnlinkingBatch",
                creating=_TAKES_V3,
            ),
            _Routes(CopyBatches(world), "ProjectDataCopyBatch", f"{project}/dataCopyBatch"),
            _Routes(MoveBatches(world), "ProjectDataMoveBatch", f"{project}/dataMoveBatch", posted=True),
            _Routes(UpdateBatches(world), "ProjectDataUpdateBatch", f"{project}/dataUpdateBatch"),
            _Routes(self.samples, "SampleCreationBatch", f"{project}/sampleCreationBatch", keyed=True),
            _Routes(
                BundleLinkBatches(world, in_bundles),
                "BundleDataLinkingBatch",
                f"{bundle}/dataLinkingBatch",
                creating=_TAKES_V3,
            ),
            _Routes(
                BundleUnlinkBatches(world, in_bundles),
                "BundleDataUnlinkingBatch",
                f"{bundle}/dataUnlinkingBatch",
                creating=_TAKES_V3,
            ),
        )

    def operations(self) -> Sequence[Operation]:
        """Their endpoints; paths are relative to the API's base path."""
        samples = "/api/projects/{project}/samples:search"
        return [
            *(operation for routes in self._routes for operation in routes.operations()),
            Operation("getProjectSamples", "POST", samples, self.samples.search, _TAKES_JSON),
        ]

    def status(self, effect: str, owner: str, name: str, now: float) -> str | None:
        """The true status of the latest work of that kind on this datum or sample; None for none."""
        for routes in self._routes:
            if routes.family.effect == effect:
                return routes.family.status(owner, name, now)
        return None

    @property
    def effects(self) -> Sequence[str]:
        """What the ledger calls their work."""
        return [routes.family.effect for routes in self._routes]
