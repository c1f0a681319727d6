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
    about="Publishes a version of a study.",
    example=MappingProxyType({"items": [{"study": "GSF123456", "versionMessage": "with run 0172"}]}),
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
    about="Imports metadata or data into a study.",
    example=MappingProxyType(
        {"items": [{"type": "samples", "metadataLink": "https://data.example.org/run-0172/samples.tsv"}]}
    ),
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
    about="Follows tasks that were started elsewhere.",
    example=MappingProxyType({"items": [{"id": "GSF234567"}]}),
)

KINDS: Final = (PUBLISH, IMPORT, TASK)
