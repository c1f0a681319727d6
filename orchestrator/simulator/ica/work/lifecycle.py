"""The courses that analyses, items of batches and jobs of the simulated ICA take."""

import math
import zlib
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import assert_never

from orchestrator.simulator.ica.knobs import Knobs
from orchestrator.simulator.ica.work import words
from orchestrator.simulator.ica.work.outcomes import Fate, Outcome
from orchestrator.simulator.ica.work.words import Words
from orchestrator.simulator.outcomes import timeline

FINAL_ANALYSIS = frozenset({"SUCCEEDED", "FAILED", "FAILED_FINAL", "ABORTED"})
FINAL_JOB = frozenset({"SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "STOPPED"})
SUCCESSFUL = frozenset({"SUCCEEDED"}).union(*(family.successful for family in words.ALL))
UNKNOWN_STATUS = "HIBERNATING"

_SHORT, _HALF = 0.1, 0.5
_TAIL = NormalDist()
"""Of the logarithm of a duration: one in a hundred takes ten times the median."""
_FINAL = FINAL_ANALYSIS.union(FINAL_JOB, *(family.final for family in words.ALL))
_ANALYSIS_STEPS = (
    ("REQUESTED", 0.0),
    ("QUEUED", 0.05),
    ("INITIALIZING", 0.1),
    ("PREPARING_INPUTS", 0.2),
    ("IN_PROGRESS", 0.3),
)
_AWAIT_FROM = 0.5
_ODD_FROM, _ODD_TO = 0.5, 0.7
_OUTPUTS_FROM = 0.9
_WAITING_FROM, _RUNNING_FROM = 0.1, 0.3
_SHARES = (0.0, _WAITING_FROM, _RUNNING_FROM)
_JOB_WAITING_FROM, _JOB_RUNNING_FROM = 0.05, 0.1


class Timeline(timeline.Timeline):
    """The course of a thing of ICA's."""

    __slots__ = ()

    @property
    def ends(self) -> float:
        """When the final status begins; infinity where there is none."""
        return self.instants[-1] if self.statuses[-1] in _FINAL else math.inf

    def aborted(self, now: float, abort_seconds: float) -> "Timeline":
        """The same until now, then ABORTING, then ABORTED."""
        kept = self.stage(now) + 1
        return Timeline(
            (*self.instants[:kept], now, now + abort_seconds), (*self.statuses[:kept], "ABORTING", "ABORTED")
        )


def pace_of(name: str, fate: Fate, knobs: Knobs, seed: int) -> float:
    """How many times the usual duration this item takes: jitter by seed and name, ten times when slow."""
    pace = timeline.pace(seed, name, knobs.jitter, slow=fate.slow)
    match knobs.durations:
        case "even":
            return pace
        case "bimodal":
            return pace * (_SHORT if _share(f"{name}:{seed}") < _HALF else 1.0)
        case "long_tailed":
            return pace * math.exp(_TAIL.inv_cdf(_share(f"{name}:{seed}")))
        case durations:
            assert_never(durations)


def _share(text: str) -> float:
    """Between 0 and 1, neither included; always the same for the same text, and even over many."""
    return (zlib.crc32(text.encode()) + 0.5) / 2**32


def creation(begins: float, fate: Fate, pace: float, knobs: Knobs) -> Timeline:
    """An item of an analysis creation batch."""
    seconds = knobs.creation_seconds * pace
    final = "FAILED" if fate.outcome is Outcome.NOT_CREATED else "SUCCEEDED"
    return _laid_out(begins, seconds, [("WAITING_RESOURCES", 0.0), ("RUNNING", _RUNNING_FROM), (final, 1.0)])


def refused(begins: float) -> Timeline:
    """An invalid item that fails on its own: at once."""
    return Timeline((begins,), ("FAILED",))


def analysis(begins: float, fate: Fate, pace: float, knobs: Knobs, *, seconds: float | None = None) -> Timeline:
    """An analysis, from the instant at which it is created; `seconds` in place of what an analysis usually takes."""
    seconds = (knobs.analysis_seconds if seconds is None else seconds) * pace
    steps = list(_ANALYSIS_STEPS)
    outputs = [("GENERATING_OUTPUTS", _OUTPUTS_FROM)]
    match fate.outcome:
        case Outcome.STUCK:
            pass
        case Outcome.FAIL:
            steps += [("FAILED", 1.0)]
        case Outcome.FAIL_FINAL:
            steps += [("FAILED_FINAL", 1.0)]
        case Outcome.ABORT:
            steps += [("ABORTING", _OUTPUTS_FROM), ("ABORTED", 1.0)]
        case Outcome.ODD:
            steps += [(UNKNOWN_STATUS, _ODD_FROM), ("IN_PROGRESS", _ODD_TO), *outputs, ("SUCCEEDED", 1.0)]
        case Outcome.AWAIT:
            return _with_pause(_laid_out(begins, seconds, [*steps, *outputs, ("SUCCEEDED", 1.0)]), seconds, knobs)
        case _:
            steps += [*outputs, ("SUCCEEDED", 1.0)]
    return _laid_out(begins, seconds, steps)


def data_item(begins: float, fate: Fate, seconds: float, said: Words) -> Timeline:
    """An item of a batch that works on data."""
    steps = [*zip(said.opening, _SHARES[-len(said.opening) :], strict=True)]
    steps[0] = (said.opening[0], 0.0)
    match fate.outcome:
        case Outcome.STUCK:
            pass
        case Outcome.FAIL:
            steps += [(words.FAILED, 1.0)]
        case Outcome.PARTIAL:
            steps += [(said.partial, 1.0)]
        case Outcome.ALREADY:
            steps += [(said.already or said.done, 1.0)]
        case Outcome.ABORT:
            steps += [(said.stopped or said.done, 1.0)]
        case Outcome.ODD:
            steps += [(UNKNOWN_STATUS, _ODD_FROM), (said.opening[-1], _ODD_TO), (said.done, 1.0)]
        case _:
            steps += [(said.done, 1.0)]
    return _laid_out(begins, seconds, steps)


def job(begins: float, items: Sequence[Timeline], usual: float, *, stuck: bool = False) -> Timeline:
    """The job of a batch: it ends with its last item. `usual` is the seconds that an item usually takes."""
    waiting, running = begins + usual * _JOB_WAITING_FROM, begins + usual * _JOB_RUNNING_FROM
    ends = max((item.ends for item in items), default=running)
    instants, statuses = (begins, waiting, running), ("INITIALIZED", "WAITING_FOR_RESOURCES", "RUNNING")
    if stuck or ends == math.inf:
        return Timeline(instants, statuses)
    return Timeline((*instants, max(ends, running)), (*statuses, _verdict(item.statuses[-1] for item in items)))


def _verdict(final: Iterable[str]) -> str:
    verdicts = {status in SUCCESSFUL for status in final}
    if verdicts == {False}:
        return "FAILED"
    return "SUCCEEDED" if False not in verdicts else "PARTIALLY_SUCCEEDED"


def _laid_out(begins: float, seconds: float, steps: Sequence[tuple[str, float]]) -> Timeline:
    return Timeline(tuple(begins + seconds * share for _, share in steps), tuple(status for status, _ in steps))


def _with_pause(usual: Timeline, seconds: float, knobs: Knobs) -> Timeline:
    pause = usual.begins + seconds * _AWAIT_FROM
    before = min(usual.stage(pause) + 1, len(usual.instants) - 1)  # also when the work takes no time, it ends last
    later = tuple(instant + knobs.await_seconds for instant in usual.instants[before:])
    return Timeline(
        (*usual.instants[:before], pause, pause + knobs.await_seconds, *later),
        (*usual.statuses[:before], "AWAITING_INPUT", "IN_PROGRESS", *usual.statuses[before:]),
    )
