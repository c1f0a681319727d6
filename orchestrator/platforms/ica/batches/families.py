"""The families of batches, for which ICA has the same kind of API.

A batch of any family is created by POST to its segment and has a job, a list of items and a status for each item.
Where items create analyses, the analyses are polled too; in other families the status of an item is the outcome.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from orchestrator.domain.model import BatchKey, ItemReport, Stage
from orchestrator.domain.submission import Submission
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.batches import creation, linking
from orchestrator.platforms.ica.protocol.wire import CREATION_ITEMS, LINK_ITEMS, PageReader
from orchestrator.platforms.ica.statuses import UNRESOLVED_CREATION, UNRESOLVED_LINK


@dataclass(frozen=True, slots=True)
class DataFamily:
    """How the items of batches that work on data are read."""

    report: Callable[[Any, BatchKey], ItemReport]
    """Returns the report of a row."""
    sent: Callable[[Submission], frozenset[str]]
    """Returns the keys of the items of a submission."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family."""

    kind: str
    name: str
    """Its name in the routes of polls."""
    segment: str
    """The segment of its batches in URL paths."""
    stage: Stage
    """The stage that its items' statuses refer to."""
    items: PageReader[Any]
    unresolved: tuple[str, ...]
    """The statuses of items that have not ended, for filtered lists."""
    foreign_subjects: tuple[str, ...]
    """Parts of subject types that its jobs do not have. ICA does not document the types themselves."""
    data: DataFamily | None
    """None when the items create analyses."""


ANALYSES: Final = Family(
    kind=creation.KIND,
    name="creation",
    segment=creation.SEGMENT,
    stage=stages.CREATION,
    items=CREATION_ITEMS,
    unresolved=UNRESOLVED_CREATION,
    foreign_subjects=("link", "copy", "move", "update", "sample"),
    data=None,
)
_LINKS: Final = Family(
    kind=linking.KIND,
    name="linking",
    segment=linking.SEGMENT,
    stage=stages.LINK,
    items=LINK_ITEMS,
    unresolved=UNRESOLVED_LINK,
    foreign_subjects=("unlink", "analysis", "copy", "move", "update", "sample"),
    data=DataFamily(report=linking.report, sent=linking.data_ids),
)

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({each.kind: each for each in (ANALYSES, _LINKS)})
"""By kind."""
BY_NAME: Final[Mapping[str, Family]] = MappingProxyType({each.name: each for each in FAMILIES.values()})
"""By the name in routes."""
