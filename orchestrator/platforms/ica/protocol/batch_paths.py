"""Where the batches of each family are, and in which versions ICA speaks of them."""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from orchestrator.platforms.ica.protocol.media import V3, V4


@dataclass(frozen=True, slots=True)
class BatchPath:
    """The collection of one family's batches."""

    segment: str
    """The last part of its path."""
    scope: Literal["projects", "bundles"] = "projects"
    """What the batches belong to."""
    creating: str = V3
    """The media type of a creating request and its answer."""
    items: str = V3
    """The media type of a list of items."""
    posted: bool = False
    """Whether items are listed by POST to `items:search`."""

    @property
    def route(self) -> str:
        """Its name in logs and metrics."""
        return self.segment if self.scope == "projects" else f"{self.scope}/{self.segment}"

    def of(self, owner: str) -> str:
        """The path in one project or bundle."""
        return f"/api/{self.scope}/{quote(owner, safe='')}/{self.segment}"


ANALYSIS_CREATION: Final = BatchPath("analysisCreationBatch", items=V4)
DATA_LINKING: Final = BatchPath("dataLinkingBatch", creating=V4, items=V4)
DATA_UNLINKING: Final = BatchPath("dataUnlinkingBatch")
DATA_COPY: Final = BatchPath("dataCopyBatch")
DATA_MOVE: Final = BatchPath("dataMoveBatch", posted=True)
DATA_UPDATE: Final = BatchPath("dataUpdateBatch")
SAMPLE_CREATION: Final = BatchPath("sampleCreationBatch")
BUNDLE_LINKING: Final = BatchPath("dataLinkingBatch", scope="bundles")
BUNDLE_UNLINKING: Final = BatchPath("dataUnlinkingBatch", scope="bundles")
