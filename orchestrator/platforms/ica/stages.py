"""What the statuses of ICA's items speak about."""

from typing import Final

from orchestrator.domain.model import CREATION as ITS_CREATION
from orchestrator.domain.model import Stage

CREATION: Final = ITS_CREATION
ANALYSIS: Final = Stage("analysis")
LINK: Final = Stage("link")
UNLINK: Final = Stage("unlink")
COPY: Final = Stage("copy")
MOVE: Final = Stage("move")
UPDATE: Final = Stage("update")
SAMPLE: Final = Stage("sample")
