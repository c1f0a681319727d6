"""Forecasts when batches end, from how long the same work took before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import Batch, BatchId, JobId, Poll
from orchestrator.domain.polling.durations import Durations
from orchestrator.domain.polling.targets import CHANGE_SHARE, Forecast
from orchestrator.store.changes import Ended

_NAME = "durations:"
_WORTH_KEEPING = 0.1
"""Durations are stored when they grew by this part: a restart may lose the newest tenth."""
_MAX_WORK = 500
"""Maximum kinds of work whose durations are kept, those that ended last."""


@dataclass(slots=True)
class _Work:
    """The durations of one kind of work: of a pipeline, or of a kind of job without pipelines."""

    durations: Durations = field(default_factory=Durations)
    kept: float = 0.0
    """Number of ends in what was last stored."""


class Forecasts:
    """The forecasts for the open batches of one account, improved by each end that is observed."""

    def __init__(self, memory: Mapping[str, str]) -> None:
        """`memory` is the stored memory of the account; see `worth_keeping`."""
        self._work = {name: _Work(durations, durations.total) for name, durations in learned_durations(memory).items()}
        self._of_batch: dict[tuple[JobId, int], str] = {}
        self._batches: dict[BatchId, Forecast] = {}

    def plan(self, batches: Sequence[Batch], now: Micros) -> None:
        """Forecast these batches, to which the following calls of `of` refer."""
        self._of_batch = {(batch.job, batch.number): _work_of(batch) for batch in batches}
        self._batches = {batch.id: self._forecast(batch, now) for batch in batches}

    def of(self, poll: Poll) -> Forecast:
        """The forecast for a poll of batches that were planned last."""
        batches = [self._batches[batch] for batch in poll.batches]
        return Forecast(
            age=min(each.age for each in batches),
            forecast=min(each.forecast for each in batches),
            ends=sum(each.ends for each in batches),
            idle=poll.idle,
            priority=min(each.priority for each in batches),
        )

    def learn(self, ended: Iterable[Ended]) -> None:
        """Record the durations of items that have ended."""
        for each in ended:
            name = self._of_batch.get((each.job, each.batch))
            if name is not None:
                work = self._work.pop(name, None) or _Work()
                work.durations.note(each.seconds)
                self._work[name] = work  # the newest last
        while len(self._work) > _MAX_WORK:
            del self._work[next(iter(self._work))]

    def worth_keeping(self) -> list[tuple[str, str]]:
        """Names and texts of durations that have changed enough since the last call to be stored."""
        changed = []
        for name, work in self._work.items():
            total = work.durations.total
            if abs(total - work.kept) > max(1.0, _WORTH_KEEPING * work.kept):
                work.kept = total
                changed.append((_NAME + name, work.durations.as_text()))
        return changed

    def _forecast(self, batch: Batch, now: Micros) -> Forecast:
        age = max(0.0, (now - (batch.submitted_at or batch.sent_at or 0)) / SECOND)  # the clock may have been set back
        work = self._work.get(_work_of(batch))
        forecast = (work.durations if work is not None else _UNKNOWN).remaining(age, CHANGE_SHARE)
        ends = max(batch.open, 1) * CHANGE_SHARE / forecast
        return Forecast(age, forecast, ends, priority=batch.priority)


_UNKNOWN = Durations()


def _work_of(batch: Batch) -> str:
    return work_name(batch.kind, batch.pipeline)


def work_name(kind: str, pipeline: str | None) -> str:
    """What durations are learned by: the pipeline or, where a kind has none, the kind."""
    return f"{kind}/{pipeline}" if pipeline else kind


def learned_durations(memory: Mapping[str, str]) -> dict[str, Durations]:
    """The durations in the stored memory of an account, by `work_name`."""
    return {
        name.removeprefix(_NAME): Durations.from_text(text) for name, text in memory.items() if name.startswith(_NAME)
    }
