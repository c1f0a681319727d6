"""Which row of an answer is about which item. Rows of bulk calls and of jobs carry neither our keys nor a number."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from orchestrator.platforms.sevenbridges.wire import Resource, Row

Sent = TypeVar("Sent")


def match(
    sent: Sequence[Sent], rows: Sequence[Row[Resource]], is_of: Callable[[Sent, Resource], bool | None]
) -> Mapping[int, Row[Resource]]:
    """The row of each item, by the item's place in `sent`; items of which no row is certain are left out.

    By order where the counts are equal and no row contradicts it; else by what the rows say of themselves, and what is
    left over only where all rows left over say the same.

    Args:
        sent: the items, in the order in which they were sent.
        rows: of the answer.
        is_of: whether a resource is that of an item; None where it cannot be said.
    """
    if len(sent) == len(rows) and all(_may_be(item, row, is_of) for item, row in zip(sent, rows, strict=True)):
        return dict(enumerate(rows))
    found, left_rows = _by_content(sent, rows, is_of)
    left_items = [place for place in range(len(sent)) if place not in found]
    outcomes = {row.outcome for row in left_rows}
    if len(left_items) == len(left_rows) and len(outcomes) == 1 and None not in outcomes and outcomes != {""}:
        found |= dict(zip(left_items, left_rows, strict=True))
    return found


def same_name(asked: str | None, given: str | None) -> bool | None:
    """Whether a file has the name that was asked for; None where this cannot be said.

    A name that is taken gets something before it: `_1_reads.bam`.
    """
    if asked is None or given is None:
        return None
    if asked == given:
        return True
    return None if given.endswith(f"_{asked}") else False


def _may_be(item: Sent, row: Row[Resource], is_of: Callable[[Sent, Resource], bool | None]) -> bool:
    return row.resource is None or is_of(item, row.resource) is not False


def _by_content(
    sent: Sequence[Sent], rows: Sequence[Row[Resource]], is_of: Callable[[Sent, Resource], bool | None]
) -> tuple[dict[int, Row[Resource]], list[Row[Resource]]]:
    """What the rows say of themselves, and the rows that say nothing certain."""
    candidates: defaultdict[int, list[Row[Resource]]] = defaultdict(list)
    left: list[Row[Resource]] = []
    for row in rows:
        resource = row.resource
        places = _places(sent, resource, is_of) if resource is not None else []
        if len(places) == 1:
            candidates[places[0]].append(row)
        else:
            left.append(row)
    return {at: some[0] for at, some in candidates.items()}, left


def _places(sent: Sequence[Sent], resource: Resource, is_of: Callable[[Sent, Resource], bool | None]) -> Sequence[int]:
    """The places of the items that a resource is of; where it is certainly of none, of those that it may be of."""
    verdicts = [is_of(item, resource) for item in sent]
    certain = [at for at, verdict in enumerate(verdicts) if verdict]
    return certain or [at for at, verdict in enumerate(verdicts) if verdict is None]
