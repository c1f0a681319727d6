"""The families of batches, for which ICA has the same kind of API.

A batch of any family is created by POST to its path and has a job, a list of items and a status for each item. Where
items create analyses, the analyses are polled too; in other families the status of an item is the outcome.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from orchestrator.domain.model import Stage
from orchestrator.platforms.ica import stages, statuses
from orchestrator.platforms.ica.batches import creation
from orchestrator.platforms.ica.batches.batch_work import BatchWork
from orchestrator.platforms.ica.batches.data_updates import DataUpdates
from orchestrator.platforms.ica.batches.data_work import DataCopies, DataWork, harmless, never, of_a_copy
from orchestrator.platforms.ica.batches.sample_creation import SampleCreation, by_key
from orchestrator.platforms.ica.protocol import batch_paths as paths
from orchestrator.platforms.ica.protocol.batch_paths import BatchPath
from orchestrator.platforms.ica.protocol.wire import CREATION_ITEMS, DATA_ITEMS, SAMPLE_ITEMS, UPDATE_ITEMS, PageReader

_SUBJECTS: Final = ("analysis", "unlink", "link", "copy", "move", "update", "sample")
"""Words that distinguish the types of jobs, longer ones before those that they contain."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family."""

    kind: str
    name: str
    """Its name in the routes of polls."""
    at: BatchPath
    stage: Stage
    """The stage that its items' statuses refer to."""
    items: PageReader[Any]
    unresolved: tuple[str, ...]
    """The statuses of items that have not ended, for filtered lists."""
    subject: str
    """The one of `_SUBJECTS` that the type of its jobs has, if any."""
    data: BatchWork[Any] | None
    """None when the items create analyses."""

    def may_have(self, subject_type: str | None) -> bool:
        """Whether a job of this type may be of this family. The types are not documented: only others are ruled out."""
        kind = (subject_type or "").casefold()
        word = next((word for word in _SUBJECTS if word in kind), self.subject)
        scope = next((scope for scope in ("bundle", "project") if kind.startswith(scope)), None)
        return word == self.subject and (scope is None or self.at.scope.startswith(scope))


def _on_data(
    kind: str, name: str, work: BatchWork[Any], *, subject: str, items: PageReader[Any] = DATA_ITEMS
) -> Family:
    return Family(
        kind=f"ica.{kind}",
        name=name,
        at=work.at,
        stage=work.stage,
        items=items,
        unresolved=statuses.unresolved(work.statuses),
        subject=subject,
        data=work,
    )


ANALYSES: Final = Family(
    kind=creation.KIND,
    name="creation",
    at=paths.ANALYSIS_CREATION,
    stage=stages.CREATION,
    items=CREATION_ITEMS,
    unresolved=statuses.UNRESOLVED_CREATION,
    subject="analysis",
    data=None,
)
SAMPLES: Final = SampleCreation(paths.SAMPLE_CREATION, stages.SAMPLE, statuses.SAMPLE, by_key)
_LINKS: Final = DataWork(paths.DATA_LINKING, stages.LINK, statuses.LINK, harmless)
_UNLINKS: Final = DataWork(paths.DATA_UNLINKING, stages.UNLINK, statuses.UNLINK, harmless)
_COPIES: Final = DataCopies(paths.DATA_COPY, stages.COPY, statuses.COPY, of_a_copy, has_parameters=True)
_MOVES: Final = DataWork(paths.DATA_MOVE, stages.MOVE, statuses.MOVE, never, has_parameters=True)
_UPDATES: Final = DataUpdates(paths.DATA_UPDATE, stages.UPDATE, statuses.UPDATE, never)
_BUNDLE_LINKS: Final = DataWork(paths.BUNDLE_LINKING, stages.LINK, statuses.LINK, harmless)
_BUNDLE_UNLINKS: Final = DataWork(paths.BUNDLE_UNLINKING, stages.UNLINK, statuses.UNLINK, harmless)

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        each.kind: each
        for each in (
            ANALYSES,
            _on_data("data_linking", "linking", _LINKS, subject="link"),
            _on_data("data_unlinking", "unlinking", _UNLINKS, subject="unlink"),
            _on_data("data_copy", "copy", _COPIES, subject="copy"),
            _on_data("data_move", "move", _MOVES, subject="move"),
            _on_data("data_update", "update", _UPDATES, subject="update", items=UPDATE_ITEMS),
            _on_data("sample_creation", "sample", SAMPLES, subject="sample", items=SAMPLE_ITEMS),
            _on_data("bundle_linking", "bundle_linking", _BUNDLE_LINKS, subject="link"),
            _on_data("bundle_unlinking", "bundle_unlinking", _BUNDLE_UNLINKS, subject="unlink"),
        )
    }
)
"""By kind."""
BY_NAME: Final[Mapping[str, Family]] = MappingProxyType({each.name: each for each in FAMILIES.values()})
"""By the name in routes."""
