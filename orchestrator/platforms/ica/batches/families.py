"""The families of batches: what ICA does alike for several kinds of work, one row a family.

A batch of any family is created by POST to its segment and has a job, a list of items and a status for each of them.
Where items create analyses, the analyses are followed too; the items of all other families are their own outcome.
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
    """What the items of batches are like that work on data: how a row is read, and which rows a submission makes."""

    report: Callable[[Any, BatchKey], ItemReport]
    """What a row says about its item."""
    sent: Callable[[Submission], frozenset[str]]
    """The keys of the items of a submission."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family."""

    kind: str
    name: str
    """In the names of its questions."""
    segment: str
    """Of the path of its batches."""
    stage: Stage
    """What its items' statuses speak of."""
    items: PageReader[Any]
    unresolved: tuple[str, ...]
    """The statuses by which a list of items is asked for those that go on."""
    foreign_subjects: tuple[str, ...]
    """Parts of the subject types that its jobs do not have. The types themselves are written down nowhere."""
    data: DataFamily | None
    """None where the items create analyses."""


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
    data=DataFamily(report=linking.tell, sent=linking.data_ids),
)

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({each.kind: each for each in (ANALYSES, _LINKS)})
"""By kind."""
BY_NAME: Final[Mapping[str, Family]] = MappingProxyType({each.name: each for each in FAMILIES.values()})
"""By the name in questions."""
