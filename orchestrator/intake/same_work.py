"""Notes on jobs whose work was asked for before under another name: it would be done, and paid for, again."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice

from orchestrator.clock import Micros
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.units import DAY
from orchestrator.intake.ports import EarlierItem, EarlierJob, EarlierWork
from orchestrator.intake.validated_job import ValidatedJob

MOST_KEYS = 10_000
"""Keys of all jobs at once that are compared."""
RECENT = 30 * DAY
"""How long ago the jobs were made that keys are compared with."""
_NAMED = 3
"""Earlier jobs that are named."""


async def notes_on_same_work(
    jobs: Sequence[ValidatedJob], earlier: EarlierWork, now: Micros
) -> dict[str, tuple[str, ...]]:
    """The notes on each of these jobs, by its folded name; jobs without any are left out.

    A job of the same name is not meant: it is the same job, or is replaced. Jobs of which nothing is sent (they only
    follow what runs), and jobs whose items are still to be made of rows, have no work of their own.
    """
    working = [job for job in jobs if job.spec.content_digest is not None and not job.spec.follow_only]
    notes = _within(working)
    whole = await earlier.with_content([job.spec.content_digest or "" for job in working])
    in_parts = []
    for job in working:
        name, digest = job.spec.name, job.spec.content_digest or ""
        same = [each for each in whole.get(digest, ()) if each.name.casefold() != name.casefold()]
        if same:
            notes[name.casefold()].append(_of_whole(name, same))
        elif not notes[name.casefold()]:
            in_parts.append(job)
    for name, note in (await _of_parts(in_parts, earlier, now)).items():
        notes[name].append(note)
    return {name: tuple(listed) for name, listed in notes.items() if listed}


def _within(jobs: Sequence[ValidatedJob]) -> defaultdict[str, list[str]]:
    """Notes on jobs that have the work of one before them in the same file."""
    notes: defaultdict[str, list[str]] = defaultdict(list)
    first: dict[str | None, str] = {}
    for job in jobs:
        name = job.spec.name
        before = first.setdefault(job.spec.content_digest, name)
        if before.casefold() != name.casefold():
            notes[name.casefold()].append(f"{name} is the same work as {before}: all of it is done twice")
    return notes


def _of_whole(name: str, same: Sequence[EarlierJob]) -> str:
    first = same[0]
    how = f"{first.state}, {first.succeeded} of {counted(first.items, 'item')} succeeded"
    more = f" and {counted(len(same) - 1, 'other job')}" if len(same) > 1 else ""
    return f"{name} is the same work as job {first.name} ({how}){more}: all of it is done again"


async def _of_parts(jobs: Sequence[ValidatedJob], earlier: EarlierWork, now: Micros) -> Mapping[str, str]:
    """By the keys of items, which many jobs are compared by at once."""
    owners: defaultdict[tuple[str, str], dict[str, list[str]]] = defaultdict(dict)
    left = MOST_KEYS
    for job in jobs:
        place = owners[job.spec.kind, job.spec.project]
        for key in islice((item.key for chunk in job.chunks() for item in chunk), left):
            place.setdefault(key, []).append(job.spec.name)
            left -= 1
        if left == 0:
            break
    found: defaultdict[str, list[EarlierItem]] = defaultdict(list)
    for (kind, project), names in owners.items():
        for item in await earlier.with_keys(kind, project, names.keys(), now - RECENT):
            for name in names[item.key]:
                if item.job.casefold() != name.casefold():
                    found[name].append(item)
    return {name.casefold(): _text_of_parts(name, items) for name, items in found.items()}


def _text_of_parts(name: str, items: Sequence[EarlierItem]) -> str:
    all_of, succeeded = Counter(item.job for item in items), Counter(item.job for item in items if item.succeeded)
    parts = [f"{count} in job {job} ({succeeded[job]} succeeded there)" for job, count in all_of.items()]
    more = len(parts) - _NAMED
    listed = ", ".join(parts[:_NAMED]) + (f", and in {counted(more, 'other job')}" if more > 0 else "")
    keys = len({item.key for item in items})
    were = "that was" if keys == 1 else "that were"
    return f"{name} has {counted(keys, 'item')} {were} asked for before under the same key: {listed}"
