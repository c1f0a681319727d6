"""Jobs that wait for each other, or for themselves: found in one file, and together with the jobs of the database."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from orchestrator.domain.messages.mistake import Mistake
from orchestrator.domain.queue_file.estimate import cycle_in

MAX_CYCLES = 100
"""Maximum cycles that are reported of one file: each search begins anew."""


def waits_of(raw: Mapping[str, object]) -> tuple[str, ...]:
    """The folded names that a job as it stands in the document waits for; what is no name is reported elsewhere."""
    after, table = raw.get("after"), raw.get("table")
    names = after.get("jobs") if isinstance(after, dict) else after
    waits = [*names] if isinstance(names, list) else []
    if isinstance(table, dict):
        waits.append(table.get("job"))
    return tuple(dict.fromkeys(name.casefold() for name in waits if isinstance(name, str)))


def is_made_of_rows(raw: Mapping[str, object]) -> bool:
    """Whether a job waits for one whose rows it is made of, and for no other."""
    return isinstance(raw.get("table"), dict) and raw.get("after") is None


def dependency_cycles(
    names: Sequence[str | None], after: Mapping[str, Sequence[str]], of_rows: Collection[str] = ()
) -> Iterator[Mistake]:
    """Each cycle as a mistake of its first job in the file; no job is in two of them.

    `names` are those of the file's jobs, in their order; `after` maps folded names to those they wait for; `of_rows`
    are those that wait because they are made of the rows of another job.
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
        key = "table" if (names[index] or "").casefold() in of_rows else "after"
        yield Mistake(*_worded([_written(name, names, places) for name in cycle], key), ("jobs", index, key))
        for name in cycle:
            left.pop(name, None)


def _written(folded: str, names: Sequence[str | None], places: Mapping[str, int]) -> str:
    return (names[places[folded]] if folded in places else None) or folded


def _worded(cycle: Sequence[str], key: str) -> tuple[str, str]:
    if len(set(cycle)) == 1:
        return f"{cycle[0]} waits for itself", f"take it out of `{key}`"
    return "jobs wait for each other: " + " after ".join(cycle), f"take one of them out of `{key}`"
