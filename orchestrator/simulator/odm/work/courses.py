"""The courses that tasks and import jobs of the simulated ODM take."""

import math

from orchestrator.simulator.odm.work.naming import Fate, Outcome
from orchestrator.simulator.outcomes.timeline import Timeline, laid_out

BLOCKED = "BLOCKED_BY_DEPENDENCY_FAILURE"
UNKNOWN_STATUS = "HIBERNATING"
FINAL_TASK = frozenset({"DONE", "FAILED", "KILLED", BLOCKED})
ENDED_BADLY = frozenset({"FAILED", "STOPPED", "ABANDONED"})
FINAL_JOB = ENDED_BADLY | {"COMPLETED"}

_WAITING = [("CREATED", 0.0), ("QUEUEING", 0.02), ("QUEUED", 0.05), ("STARTING", 0.15), ("RUNNING", 0.2)]
_TASK_ENDS = {Outcome.FAIL: "FAILED", Outcome.KILL: "KILLED", Outcome.BLOCKED: BLOCKED}
_JOB_ENDS = {
    Outcome.FAIL: "FAILED",
    Outcome.FLAKY: "FAILED",
    Outcome.HALT: "STOPPED",
    Outcome.ABANDON: "ABANDONED",
}


def task(begins: float, seconds: float, fate: Fate) -> Timeline:
    """A task, from its creation. One that is blocked says so before its end too."""
    steps = list(_WAITING)
    match fate.outcome:
        case Outcome.STUCK:
            return laid_out(begins, seconds, steps)
        case Outcome.BLOCKED:
            steps.append((BLOCKED, 0.5))
        case Outcome.RESUMED:
            steps += [(BLOCKED, 0.4), ("RUNNING", 0.7)]
        case Outcome.ODD:
            steps += [(UNKNOWN_STATUS, 0.4), ("RUNNING", 0.7)]
        case _:
            pass
    return laid_out(begins, seconds, [*steps, (_TASK_ENDS.get(fate.outcome, "DONE"), 1.0)])


def job(begins: float, seconds: float, fate: Fate, *, again: bool = False) -> Timeline:
    """An import job, from its creation or, `again`, from its restart."""
    steps = [("STARTING", 0.0), ("RUNNING", 0.2)]
    if fate.outcome is Outcome.STUCK:
        return laid_out(begins, seconds, steps)
    if fate.outcome is Outcome.ODD:
        steps += [("UNKNOWN", 0.4), ("RUNNING", 0.6), (UNKNOWN_STATUS, 0.7), ("RUNNING", 0.8)]
    end = "COMPLETED" if again and fate.outcome is Outcome.FLAKY else _JOB_ENDS.get(fate.outcome, "COMPLETED")
    return laid_out(begins, seconds, [*steps, (end, 1.0)])


def stopped(course: Timeline, now: float, seconds: float) -> Timeline:
    """The same until now, then STOPPING for so many seconds, then STOPPED."""
    kept = course.stage(now) + 1
    return Timeline((*course.instants[:kept], now, now + seconds), (*course.statuses[:kept], "STOPPING", "STOPPED"))


def end_of(course: Timeline, final: frozenset[str]) -> float:
    """When the final status begins; infinity where there is none."""
    return course.instants[-1] if course.statuses[-1] in final else math.inf
