"""The kinds of work that ODM does."""

from types import MappingProxyType
from typing import Final

from orchestrator.domain.kinds import NO_ENGINE, Kind
from orchestrator.platforms.odm import items, stages

_PATTERNS: Final = MappingProxyType(items.PATTERNS)

PUBLISH: Final = Kind(
    name="odm.publish",
    stage=stages.PUBLICATION,
    keys=("study",),
    batch_size=1,
    max_batch_size=1,
    models=MappingProxyType({NO_ENGINE: items.Publication}),
    requests=2,
    patterns=_PATTERNS,
    ids=items.IDS,
    about="Publishes the changes of a study, or of all studies, as a new version.",
    example=MappingProxyType({"items": [{"study": "GSF123456", "versionMessage": "run 0172 added"}]}),
)
IMPORT: Final = Kind(
    name="odm.import",
    stage=stages.IMPORT,
    keys=("dataLink", "metadataLink"),
    batch_size=1,
    max_batch_size=1,
    models=MappingProxyType({NO_ENGINE: items.Import}),
    abortable=True,
    patterns=_PATTERNS,
    ids=items.IDS,
    about="Imports a file of metadata or data by its link.",
    example=MappingProxyType({"items": [{"type": "samples", "metadataLink": "https://lab.example.org/samples.tsv"}]}),
)
TASK: Final = Kind(
    name="odm.task",
    stage=stages.TASK,
    keys=("id",),
    batch_size=1,
    max_batch_size=1,
    models=MappingProxyType({NO_ENGINE: items.FollowedTask}),
    follow_only=True,
    requests=0,
    patterns=_PATTERNS,
    ids=items.IDS,
    about="Follows tasks that exist already.",
    example=MappingProxyType({"items": [{"id": "1234"}]}),
)

KINDS: Final = (PUBLISH, IMPORT, TASK)
