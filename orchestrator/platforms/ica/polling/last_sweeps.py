"""What the last whole reading of a batch's items was like: what decides which other question the batch needs."""

from dataclasses import dataclass
from typing import Final

from orchestrator.domain.model import BatchKey, ItemReport
from orchestrator.platforms.bounded import Bounded
from orchestrator.platforms.ica import stages

_MOST: Final = 4096


@dataclass(slots=True)
class Sweep:
    """One reading of a batch's items, page by page."""

    marks: int = 0
    """A digest of all words, whatever their order."""
    ended: int = 0
    """Items whose page word is final."""
    unembedded: int = 0
    """Items that are created and do not show their analysis."""
    unmoved: int = 0
    """Readings before this one that said the same."""

    def note(self, told: ItemReport) -> None:
        """A row told this."""
        self.marks ^= hash((told.key, told.seq, told.status))
        if told.state.final:
            self.ended += 1
        elif told.stage == stages.CREATION and told.status == "SUCCEEDED":
            self.unembedded += 1


class LastSweeps:
    """The readings of many batches, the newest kept. In memory only: they are made again after a start."""

    def __init__(self) -> None:
        self._whole: Bounded[BatchKey, Sweep] = Bounded(_MOST)
        self._begun: Bounded[BatchKey, Sweep] = Bounded(_MOST)

    def last(self, batch: BatchKey) -> Sweep:
        """The last whole reading; an empty one where there is none."""
        return self._whole.get(batch) or Sweep()

    def page(self, batch: BatchKey, *, first: bool) -> Sweep:
        """The reading that a page of `batch` belongs to."""
        sweep = None if first else self._begun.get(batch)
        if sweep is None:
            sweep = self._begun[batch] = Sweep()
        return sweep

    def ends(self, batch: BatchKey) -> None:
        """The page read last was the last one."""
        sweep = self._begun.pop(batch)
        if sweep is not None:
            before = self._whole.get(batch)
            sweep.unmoved = before.unmoved + 1 if before is not None and before.marks == sweep.marks else 0
            self._whole[batch] = sweep
