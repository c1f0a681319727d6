"""Jobs that wait for each other, or for themselves: found in one file, and together with the jobs of the database."""

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.domain.mistake import Mistake
from orchestrator.domain.queue_file.estimate import cycle_in

MAX_CYCLES = 100
"""Maximum cycles that are reported of one file: each search begins anew."""


def waits_of(raw: Mapping[str, object]) -> tuple[str, ...]:
    """The folded names that a job as it stands in the document waits for; what is no name is reported elsewhere."""
    after = raw.get("after")
    names = after.get("jobs") if isinstance(after, dict) else after
    return tuple(name.casefold() for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def dependency_cycles(names: Sequence[str | None], after: Mapping[str, Sequence[str]]) -> Iterator[Mistake]:
    """Each cycle as a mistake of its first job in the file; no job is in two of them.

    `names` are those of the file's jobs, in their order; `after` maps folded names to those they wait for.
    """
    places: dict[str, int] = {}
    for index, name in enumerate(names):
        if name is not None:
            places.setdefault(name.casefold(), index)
    left = dict(after)
    for _ in range(MAX_CYCLES):
        if (cycle := cycle_in(left)) is None:
            return
        index = min((places[name] for name in cycle if name in places), default=0)
        yield Mistake(*_worded([_written(name, names, places) for name in cycle]), ("jobs", index, "after"))
        for name in cycle:
            left.pop(name, None)


def _written(folded: str, names: Sequence[str | None], places: Mapping[str, int]) -> str:
    return (names[places[folded]] if folded in places else None) or folded


def _worded(cycle: Sequence[str]) -> tuple[str, str]:
    if len(set(cycle)) == 1:
        return f"{cycle[0]} waits for itself", "take it out of `after`"
    return "jobs wait for each other: " + " after ".join(cycle), "take one of them out of `after`"
