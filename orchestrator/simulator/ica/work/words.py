"""The statuses that the items of batches on data go through, family by family."""

from dataclasses import dataclass
from typing import Final

FAILED: Final = "FAILED"
STOPPED: Final = "STOPPED"


@dataclass(frozen=True, slots=True)
class Words:
    """What the items of one family say of themselves."""

    opening: tuple[str, ...]
    """From their creation to their end: waiting first, at work last."""
    done: str
    partial: str
    already: str | None = None
    """Where there was nothing to do; None: the family does not say so."""
    stopped: str | None = None

    @property
    def final(self) -> frozenset[str]:
        """Every status that an item keeps."""
        return frozenset({self.done, self.partial, FAILED} | {word for word in (self.already, self.stopped) if word})

    @property
    def successful(self) -> frozenset[str]:
        return frozenset({self.done} | ({self.already} if self.already else set()))


_WAITING: Final = ("INITIALISED", "WAITING_RESOURCES", "RUNNING")

LINKING: Final = Words(_WAITING, "LINKED", "PARTIALLY_LINKED", "ALREADY_LINKED")
UNLINKING: Final = Words(_WAITING, "UNLINKED", "PARTIALLY_UNLINKED", "ALREADY_UNLINKED")
COPYING: Final = Words(("QUEUED", "COPYING"), "COPIED", "PARTIALLY_COPIED")
MOVING: Final = Words(("QUEUED", "MOVING"), "MOVED", "PARTIALLY_MOVED")
UPDATING: Final = Words(("INITIALISED", "WAITING_RESOURCES", "UPDATING"), "UPDATED", "PARTIALLY_UPDATED")
SAMPLING: Final = Words(
    ("INITIALIZED", "WAITING_RESOURCES", "RUNNING"), "SUCCEEDED", "PARTIALLY_SUCCEEDED", stopped=STOPPED
)

ALL: Final = (LINKING, UNLINKING, COPYING, MOVING, UPDATING, SAMPLING)
"""Of every family of batches on data."""
