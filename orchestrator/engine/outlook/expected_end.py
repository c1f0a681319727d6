"""When jobs are expected to settle, from how long the same work took before.

An estimate for people. It assumes that items go out as soon as there is room for them, and that nothing fails as a
whole; the request budget is left out, as it seldom decides when an item ends.
"""

from collections.abc import Mapping, Sequence

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import BatchState, Job, JobId, JobState
from orchestrator.domain.polling.durations import Durations
from orchestrator.engine.polling.forecast import learned_durations, work_name
from orchestrator.store.reading.open_work import OpenGroup
from orchestrator.store.store import Store

LEAST_ENDS = 3.0
"""Ends that must have been observed before anything is said."""
_MIDDLE = 0.5
_NEARLY_ALL = 0.95
"""The part of the open items that is likely to have ended by then."""


async def expected_ends(
    store: Store, jobs: Sequence[Job], open_items: Mapping[str, int], now: Micros
) -> Mapping[JobId, Micros]:
    """When these jobs are expected to settle; those of which nothing is known, or that are on hold, are left out.

    Args:
        store: is read once for all jobs, and once for each of their accounts.
        jobs: settled ones may be among them.
        open_items: how many items each account may have on the platform, by its name.
        now: microseconds UTC.
    """
    going = [job for job in jobs if job.state in {JobState.QUEUED, JobState.RUNNING} and job.needs is None]
    if not going:
        return {}
    groups = await store.open_work.groups([job.id for job in going])
    learned = {
        account: learned_durations(await store.memory.recall(account))
        for account in sorted({job.spec.account for job in going})
    }
    found: dict[JobId, Micros] = {}
    for job in going:
        most = job.spec.max_open or open_items.get(job.spec.account)
        seconds = _remaining(job, groups.get(job.id, ()), learned[job.spec.account], most, now)
        if seconds is not None:
            found[job.id] = now + round(seconds * SECOND)
    return found


def _remaining(
    job: Job, groups: Sequence[OpenGroup], learned: Mapping[str, Durations], most: int | None, now: Micros
) -> float | None:
    """Seconds until nearly all of the items have ended; None where nothing is known."""
    if not groups:
        return None
    known = next((group.pipeline for group in groups if group.pipeline), None)
    end = 0.0
    for group in groups:
        durations = _durations(job.spec.kind, group.pipeline or known, learned)
        if durations is None:
            return None
        if group.state is BatchState.PLANNED:
            end = max(end, _until_planned_end(group, groups, durations, most))
        else:
            age = 0.0 if group.youngest is None else max(0.0, (now - group.youngest) / SECOND)
            end = max(end, durations.remaining(age, _NEARLY_ALL))
    return end


def _until_planned_end(
    planned: OpenGroup, groups: Sequence[OpenGroup], durations: Durations, most: int | None
) -> float:
    """The items wait until there is room, as fast as those that are out end, and then take their own time."""
    out = sum(group.items for group in groups if group.state is not BatchState.PLANNED)
    waiting = max(0, planned.items + out - most) if most else 0
    rounds = waiting / most if most else 0.0
    return rounds * durations.remaining(0.0, _MIDDLE) + durations.remaining(0.0, _NEARLY_ALL)


def _durations(kind: str, pipeline: str | None, learned: Mapping[str, Durations]) -> Durations | None:
    """Those of the pipeline or, before any of its ends was observed, of all pipelines of this kind; None: too few."""
    own = learned.get(work_name(kind, pipeline))
    if own is not None and own.total >= LEAST_ENDS:
        return own
    alike = [durations for name, durations in learned.items() if name.partition("/")[0] == kind]
    together = Durations([sum(counts) for counts in zip(*_of_equal_length(alike), strict=True)])
    return together if together.total >= LEAST_ENDS else None


def _of_equal_length(histograms: Sequence[Durations]) -> list[list[float]]:
    longest = max((len(each.counts) for each in histograms), default=0)
    return [each.counts + [0.0] * (longest - len(each.counts)) for each in histograms]
