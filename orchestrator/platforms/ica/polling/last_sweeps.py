"""Summaries of the last whole sweep of each batch's items, which decide what other polls the batch needs."""

from dataclasses import dataclass
from typing import Final

from orchestrator.domain.model import BatchKey, ItemReport
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.ica import stages

_MOST: Final = 4096


@dataclass(slots=True)
class Sweep:
    """One sweep over the pages of a batch's items."""

    digest: int = 0
    """An order-independent digest of all statuses."""
    ended: int = 0
    """Items with a final status."""
    unembedded: int = 0
    """Items that are created but have no embedded analysis."""
    unchanged: int = 0
    """Number of sweeps before this one with the same statuses."""

    def note(self, report: ItemReport) -> None:
        """Add the report of a row."""
        self.digest ^= hash((report.key, report.seq, report.status))
        if report.state.final:
            self.ended += 1
        elif report.stage == stages.CREATION and report.status == "SUCCEEDED":
            self.unembedded += 1


class LastSweeps:
    """The last sweeps of many batches, the newest kept. In memory only: they are repeated after a start."""

    def __init__(self) -> None:
        self._whole: Bounded[BatchKey, Sweep] = Bounded(_MOST)
        self._begun: Bounded[BatchKey, Sweep] = Bounded(_MOST)

    def last(self, batch: BatchKey) -> Sweep:
        """The last whole sweep; an empty one when there is none."""
        return self._whole.get(batch) or Sweep()

    def page(self, batch: BatchKey, *, first: bool) -> Sweep:
        """The sweep that a page of `batch` belongs to."""
        sweep = None if first else self._begun.get(batch)
        if sweep is None:
            sweep = self._begun[batch] = Sweep()
        return sweep

    def ends(self, batch: BatchKey) -> None:
        """Complete the sweep: the last page was read."""
        sweep = self._begun.pop(batch)
        if sweep is not None:
            before = self._whole.get(batch)
            sweep.unchanged = before.unchanged + 1 if before is not None and before.digest == sweep.digest else 0
            self._whole[batch] = sweep
