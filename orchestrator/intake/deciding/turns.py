"""Cuts what waits in incoming/ into turns, after each of which something more urgent may come first."""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile, zip_longest

from orchestrator.intake.deciding.candidates import Candidate
from orchestrator.intake.directory.arrivals import Entry

GROUP = 100
"""Small files that are decided in one turn."""
OTHER_ENTRIES = 10
"""Names, links, folders and forgotten tables that are rejected in one turn."""
LISTING_SHARE, SHARE_WITH_NEWS = 4, 1
"""The folder is listed anew after so many times as long as the listing took; sooner if a file is known to have come."""

Turn = tuple[Sequence[Candidate], Sequence[Entry]]
"""A group of queue files, and some of the rest."""


def in_turns(files: Sequence[Candidate], others: Sequence[Entry], is_urgent: Callable[[Entry], bool]) -> Iterator[Turn]:
    """Turn by turn, in order; the urgent files at the beginning have a turn of their own.

    A group is moved when all of it is decided, so one that is waited for would wait for the others too.
    """
    urgent = sum(1 for _ in takewhile(lambda each: is_urgent(each.entry), files[:GROUP]))
    if urgent:
        yield files[:urgent], ()
    groups = range(urgent, len(files), GROUP)
    portions = range(0, len(others), OTHER_ENTRIES)
    for group, portion in zip_longest(groups, portions):
        yield (
            files[group : group + GROUP] if group is not None else (),
            others[portion : portion + OTHER_ENTRIES] if portion is not None else (),
        )


def pause_between(listing: float, *, news: bool) -> float:
    """Seconds of turns between two listings; a listing takes so many seconds, which is much for very many files."""
    return listing * (SHARE_WITH_NEWS if news else LISTING_SHARE)
