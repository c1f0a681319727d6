"""What the statuses of Seven Bridges' items speak about."""

from typing import Final

from orchestrator.domain.model import Stage

TASK: Final = Stage("task")
IMPORT: Final = Stage("import")
EXPORT: Final = Stage("export")
COPY: Final = Stage("copy")
MOVE: Final = Stage("move")
DELETE: Final = Stage("delete")
UPDATE: Final = Stage("update")
RUN: Final = Stage("run")
