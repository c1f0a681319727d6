"""The routes (kinds of polls) of ICA, and functions that build polls."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from orchestrator.domain.model import Batch, BatchKey, Item, Poll, Stage
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.batches.families import ANALYSES, BY_NAME, Family


class Route(StrEnum):
    """The kinds of polls; see `poll_plan`."""

    JOBS = "jobs"
    BATCH = "batch"
    ITEMS = "items"
    UNRESOLVED = "unresolved"
    OPEN = "open"
    UNSEARCHED = "unsearched"
    ENDED = "ended"
    TAGGED = "tagged"
    ANALYSIS = "analysis"


_OF_FAMILIES: Final = (Route.BATCH, Route.ITEMS, Route.UNRESOLVED)
"""Routes that exist for each family."""


def route_of(family: Family, route: Route) -> str:
    """The route name of a poll of one family."""
    return f"{family.name}_{route}"


def read_route(poll: Poll) -> tuple[Route, Family]:
    """The route and family of a poll; routes without a family are about analyses."""
    name, _, route = poll.route.rpartition("_")
    if not name:
        return Route(poll.route), ANALYSES
    if route not in _OF_FAMILIES:
        raise ValueError(f"{poll.route!r} is not a route of ICA")
    return Route(route), BY_NAME[name]


def question(
    name: str, route: str, project: str, batches: Sequence[Batch], *, cost: int = 1, expects: Iterable[Stage] = ()
) -> Poll:
    """A poll of these batches."""
    return Poll(
        name=name,
        route=route,
        project=project,
        subjects={batch.key: batch.remote_id for batch in batches},
        batches=tuple(batch.id for batch in batches),
        homes={(batch.job, batch.number): batch.key for batch in batches},
        cost=cost,
        expects=frozenset(expects),
    )


def only(poll: Poll, keys: Collection[BatchKey]) -> Poll:
    """The same poll of some of its batches."""
    kept = [
        (key, remote_id, batch)
        for (key, remote_id), batch in zip(poll.subjects.items(), poll.batches, strict=True)
        if key in keys
    ]
    return replace(
        poll,
        subjects={key: remote_id for key, remote_id, _ in kept},
        batches=tuple(batch for _, _, batch in kept),
        homes={home: key for home, key in poll.homes.items() if key in keys},
    )


def part(poll: Poll, keys: Collection[BatchKey], *, name: str, route: str, cost: int, items: Iterable[Item]) -> Poll:
    """A new poll of some batches of `poll`; it expects those analyses of `items` whose ids are known."""
    named = tuple(item for item in items if item.remote_id is not None)
    expects = frozenset({stages.ANALYSIS}) if named else frozenset[Stage]()
    some = only(poll, keys)
    return replace(
        some, name=name, route=route, cost=cost, named=named, expects=expects, cursor=None, page=0, trail=frozenset()
    )


def alone(poll: Poll, key: BatchKey, items: Iterable[Item]) -> list[Poll]:
    """One poll for each of these analyses of one batch."""
    return [
        part(poll, {key}, name=f"analysis:{item.remote_id}", route=Route.ANALYSIS, cost=1, items=[item])
        for item in items
        if item.remote_id is not None
    ]


def wanted(items: Iterable[Item]) -> dict[str, str]:
    """Remote id → item key, for items whose remote id is known."""
    return {item.remote_id: item.key for item in items if item.remote_id is not None}


def grouped(poll: Poll, missing: Iterable[Item]) -> dict[BatchKey, list[Item]]:
    """The missing items by the key of their batch; items of batches that `poll` does not cover are left out."""
    groups: defaultdict[BatchKey, list[Item]] = defaultdict(list)
    for item in missing:
        key = poll.homes.get((item.job, item.batch)) if item.batch is not None else None
        if key is not None:
            groups[key].append(item)
    return dict(groups)
