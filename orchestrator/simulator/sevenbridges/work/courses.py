"""The courses that tasks, transfers, jobs and runs of the simulated Seven Bridges take."""

import math

from orchestrator.simulator.outcomes.timeline import Timeline, laid_out
from orchestrator.simulator.sevenbridges.work.naming import Fate, Outcome

FINAL_TASK = frozenset({"COMPLETED", "FAILED", "ABORTED"})
FINAL_RUN = frozenset({"FINISHED", "FAILED", "ABORTED"})
FINAL = FINAL_TASK | FINAL_RUN
UNKNOWN_STATUS = "HIBERNATING"


def task(begins: float, seconds: float, fate: Fate) -> Timeline:
    """A task, from the instant at which it is run."""
    steps = [("QUEUED", 0.0), ("RUNNING", 0.2)]
    match fate.outcome:
        case Outcome.STUCK:
            return laid_out(begins, seconds, steps)
        case Outcome.FLIP:
            steps += [("QUEUED", 0.4), ("RUNNING", 0.5), ("QUEUED", 0.7), ("RUNNING", 0.8)]
        case Outcome.ODD:
            steps += [(UNKNOWN_STATUS, 0.5), ("RUNNING", 0.7)]
        case _:
            pass
    if fate.outcome is Outcome.ABORT:
        return laid_out(begins, seconds, [*steps, ("ABORTING", 0.9), ("ABORTED", 1.0)])
    return laid_out(begins, seconds, [*steps, (_end(fate, "COMPLETED"), 1.0)])


def transfer(begins: float, seconds: float, fate: Fate) -> Timeline:
    """An import or an export."""
    return _with_end(begins, seconds, [("PENDING", 0.0), ("RUNNING", 0.3)], fate, "COMPLETED")


def job(begins: float, ends: float) -> Timeline:
    """A file job or a DRS import: it ends with FINISHED, or never where `ends` is infinite."""
    seconds = ends - begins if ends != math.inf else 1.0
    steps = [("SUBMITTED", 0.0), ("RESOLVING", 0.1), ("RUNNING", 0.3)]
    return laid_out(begins, seconds, steps if ends == math.inf else [*steps, ("FINISHED", 1.0)])


def automation_run(begins: float, seconds: float, fate: Fate) -> Timeline:
    """An automation run, from its creation."""
    steps = [("CREATED", 0.0), ("QUEUED_FOR_EXECUTION", 0.05), ("SENT_TO_EXECUTION", 0.1), ("RUNNING", 0.2)]
    if fate.outcome is Outcome.ABORT:
        return laid_out(begins, seconds, [*steps, ("QUEUED_FOR_TERMINATION", 0.9), ("ABORTED", 1.0)])
    return _with_end(begins, seconds, steps, fate, "FINISHED")


def ended(course: Timeline, now: float) -> bool:
    return course.status(now) in FINAL


def end_of(course: Timeline) -> float:
    """When the final status begins; infinity where there is none."""
    return course.instants[-1] if course.statuses[-1] in FINAL else math.inf


def stopped(course: Timeline, now: float, seconds: float, passing: str) -> Timeline:
    """The same until now, then `passing` for so many seconds, then ABORTED."""
    kept = course.stage(now) + 1
    return Timeline((*course.instants[:kept], now, now + seconds), (*course.statuses[:kept], passing, "ABORTED"))


def _with_end(begins: float, seconds: float, steps: list[tuple[str, float]], fate: Fate, success: str) -> Timeline:
    if fate.outcome is Outcome.STUCK:
        return laid_out(begins, seconds, steps)
    if fate.outcome is Outcome.ODD:
        steps = [*steps, (UNKNOWN_STATUS, 0.5), (steps[-1][0], 0.7)]
    return laid_out(begins, seconds, [*steps, (_end(fate, success), 1.0)])


def _end(fate: Fate, success: str) -> str:
    return "FAILED" if fate.outcome is Outcome.FAIL else success
