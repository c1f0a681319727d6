"""Polls that name their items by id, a hundred in a request."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from orchestrator.domain.model import Batch, BatchKey, Item, Poll, Stage
from orchestrator.platforms.pages import pages

IDS: Final = 100
"""Ids that one bulk read takes."""
_MAX_NAMES: Final = 1000
"""Items of one poll: several polls may run at a time."""


def by_id(batches: Sequence[Batch], route: str, expects: Iterable[Stage], *, names: int = IDS) -> list[Poll]:
    """Polls of all open items of these batches, `names` of them in a request."""
    stages = frozenset(expects)
    return [
        poll(f"{route}:{number}", route, portion, stages, names=names, cost=pages(_open(portion), names))
        for number, portion in enumerate(_portions(batches), 1)
    ]


def poll(
    name: str, route: str, batches: Sequence[Batch], expects: frozenset[Stage], *, names: int, cost: int = 1
) -> Poll:
    """One poll of these batches."""
    return Poll(
        name=name,
        route=route,
        project=batches[0].project,
        subjects={batch.key: batch.remote_id for batch in batches},
        batches=tuple(batch.id for batch in batches),
        homes={(batch.job, batch.number): batch.key for batch in batches},
        cost=cost,
        expects=expects,
        names=names,
    )


def home_of(poll: Poll, item: Item) -> BatchKey | None:
    """The key of the batch of an item."""
    return poll.homes.get((item.job, item.batch)) if item.batch is not None else None


def _portions(batches: Sequence[Batch]) -> Iterator[Sequence[Batch]]:
    portion: list[Batch] = []
    names = 0
    for batch in batches:
        if not batch.open:
            continue
        if portion and names + batch.open > _MAX_NAMES:
            yield portion
            portion, names = [], 0
        portion.append(batch)
        names += batch.open
    if portion:
        yield portion


def _open(batches: Sequence[Batch]) -> int:
    return sum(batch.open for batch in batches)
