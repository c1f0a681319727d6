"""The platforms that the program knows: the one place that lists them."""

from orchestrator.domain.kinds import Kinds
from orchestrator.platforms.ica import kinds as ica

_PLANNED = frozenset(
    {
        "ica.workflow_session",
        "sevenbridges.task",
        "sevenbridges.import",
        "sevenbridges.export",
        "sevenbridges.file_copy",
        "sevenbridges.file_move",
        "sevenbridges.file_delete",
        "sevenbridges.drs_import",
        "sevenbridges.automation_run",
        "odm.publish",
        "odm.import",
    }
)
"""Kinds with a name already, which this version refuses."""

KINDS = Kinds(ica.KINDS, _PLANNED)
"""The kinds that this version does."""
