"""What the statuses of ODM's items speak about."""

from typing import Final

from orchestrator.domain.model import Stage

PUBLICATION: Final = Stage("publication")
IMPORT: Final = Stage("import")
TASK: Final = Stage("task")
