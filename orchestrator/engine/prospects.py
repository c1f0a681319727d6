"""What looks are likely to find, from how long the same work took before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.cadence import CHANGE_SHARE, Prospect
from orchestrator.domain.durations import Durations
from orchestrator.domain.model import Batch, BatchId, JobId, Look
from orchestrator.store.changes import Ended

_NAME = "durations:"
_WORTH_KEEPING = 0.1
"""What was learnt is written when it grew by this part: a restart may cost us the newest tenth."""
_MOST_WORK = 500
"""Kinds of work whose durations are kept, those that ended last."""


@dataclass(slots=True)
class _Work:
    """One kind of work: what a pipeline does, or a kind of job without one."""

    durations: Durations = field(default_factory=Durations)
    kept: float = 0.0
    """Ends that were in what was last written."""


class Prospects:
    """Of the open batches of one account. Learns from each end that is seen."""

    def __init__(self, memory: Mapping[str, str]) -> None:
        """`memory` is what was remembered of the account; see `worth_keeping`."""
        self._work: dict[str, _Work] = {}
        for name, text in memory.items():
            if name.startswith(_NAME):
                durations = Durations.from_text(text)
                self._work[name.removeprefix(_NAME)] = _Work(durations, durations.total)
        self._of_batch: dict[tuple[JobId, int], str] = {}
        self._batches: dict[BatchId, Prospect] = {}

    def plan(self, batches: Sequence[Batch], now: Micros) -> None:
        """These are the batches that looks are made for from now on."""
        self._of_batch = {(batch.job, batch.number): _work_of(batch) for batch in batches}
        self._batches = {batch.id: self._prospect(batch, now) for batch in batches}

    def of(self, look: Look) -> Prospect:
        """Of a look at batches of the last plan."""
        batches = [self._batches[batch] for batch in look.batches]
        return Prospect(
            age=min(each.age for each in batches),
            forecast=min(each.forecast for each in batches),
            ends=sum(each.ends for each in batches),
            idle=look.idle,
            priority=min(each.priority for each in batches),
        )

    def learn(self, ended: Iterable[Ended]) -> None:
        """These have ended."""
        for each in ended:
            name = self._of_batch.get((each.job, each.batch))
            if name is not None:
                work = self._work.pop(name, None) or _Work()
                work.durations.note(each.seconds)
                self._work[name] = work  # the newest last
        while len(self._work) > _MOST_WORK:
            del self._work[next(iter(self._work))]

    def worth_keeping(self) -> list[tuple[str, str]]:
        """What has been learnt since the last time and is worth a write: names and texts to be remembered."""
        news = []
        for name, work in self._work.items():
            total = work.durations.total
            if abs(total - work.kept) > max(1.0, _WORTH_KEEPING * work.kept):
                work.kept = total
                news.append((_NAME + name, work.durations.as_text()))
        return news

    def _prospect(self, batch: Batch, now: Micros) -> Prospect:
        age = max(0.0, (now - (batch.submitted_at or batch.sent_at or 0)) / SECOND)  # the clock may have been set back
        work = self._work.get(_work_of(batch))
        forecast = (work.durations if work is not None else _UNKNOWN).remaining(age, CHANGE_SHARE)
        ends = max(batch.open, 1) * CHANGE_SHARE / forecast
        return Prospect(age, forecast, ends, priority=batch.priority)


_UNKNOWN = Durations()


def _work_of(batch: Batch) -> str:
    return f"{batch.kind}/{batch.pipeline}" if batch.pipeline else batch.kind
