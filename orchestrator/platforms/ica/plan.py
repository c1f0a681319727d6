"""Which questions tell all about the open batches of an account, in the fewest requests. Pure but for what was learnt.

| what is open | question | requests for a whole answer |
| --- | --- | --- |
| the word of any batch | JOBS, for all | one a page of jobs |
| that the list of jobs did not show | CREATION_BATCH, LINKING_BATCH | one |
| items being created | CREATION_ITEMS, for a batch | one a page of its items |
| analyses that were created | OPEN, for a project | one a page of those that go on |
| that an open search lists no more | ENDED, for a project | a page or a few, the newest ends first |
| that this did not tell either | TAGGED, for a batch | one a page of its analyses |
| only a few of them | ANALYSIS | one |
| links | LINKING_ITEMS, for a batch | one a page of its items |
| the last items of a large batch | CREATION_UNRESOLVED, LINKING_UNRESOLVED | one a page of those that go on |
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, assert_never

from orchestrator.domain.identity import batch_tag
from orchestrator.domain.model import Batch, BatchKey, Item, Look, Stage
from orchestrator.platforms.ica import creation, linking
from orchestrator.platforms.ica.bounded import Bounded
from orchestrator.platforms.ica.learning import Embedded, Liveness
from orchestrator.platforms.ica.narrow import Narrow
from orchestrator.platforms.ica.requests import pages
from orchestrator.platforms.ica.statuses import IDLE_JOB
from orchestrator.platforms.ica.sweeps import Sweeps

Strategy = Literal["auto", "items"]

FEW: Final = 3
"""So many missing analyses are asked for one by one; more are searched for."""
_MOST_SINGLE: Final = 20
"""Analyses that a search of their batch does not list either are asked for in turn, so many a sweep."""
_STILL: Final = 3
"""Readings of a batch's items without a change after which the analyses are asked themselves (strategy `items`)."""
_STILL_LIVE: Final = 12
"""The same, where embedded words are known to move."""
_MOST_BATCHES: Final = 4096


class Route(StrEnum):
    """The kinds of question."""

    JOBS = "jobs"
    CREATION_BATCH = "creation_batch"
    CREATION_ITEMS = "creation_items"
    LINKING_BATCH = "linking_batch"
    LINKING_ITEMS = "linking_items"
    CREATION_UNRESOLVED = "creation_unresolved"
    LINKING_UNRESOLVED = "linking_unresolved"
    OPEN = "open"
    ENDED = "ended"
    TAGGED = "tagged"
    ANALYSIS = "analysis"


_NARROWED: Final[Mapping[Route, Route]] = MappingProxyType(
    {Route.CREATION_ITEMS: Route.CREATION_UNRESOLVED, Route.LINKING_ITEMS: Route.LINKING_UNRESOLVED}
)
_WHOLE: Final[Mapping[Route, Route]] = MappingProxyType({narrow: whole for whole, narrow in _NARROWED.items()})


class Plan:
    """Makes looks."""

    def __init__(
        self, *, page_size: int, strategy: Strategy, embedded: Embedded, sweeps: Sweeps, narrow: Narrow
    ) -> None:
        self._size = page_size
        self._strategy = strategy
        self._embedded = embedded
        self._sweeps = sweeps
        self._narrow = narrow
        self._unlisted: Bounded[BatchKey, None] = Bounded(_MOST_BATCHES)
        self._searched: Bounded[BatchKey, None] = Bounded(_MOST_BATCHES)
        self._turn = 0

    # ------------------------------------------------------------ what is open

    def looks(self, batches: Sequence[Batch]) -> list[Look]:
        """The questions for these batches, each with a name of its own."""
        looks = [*self._words(batches)]
        analyses: defaultdict[str, list[Batch]] = defaultdict(list)
        for batch in batches:
            if batch.kind == linking.KIND:
                looks += self._links(batch)
            elif batch.kind == creation.KIND:
                looks += self._creations(batch)
                if self._wants_search(batch):
                    analyses[batch.project].append(batch)
        looks += (self._open(project, group) for project, group in analyses.items())
        return looks

    def unlisted(self, batches: Iterable[BatchKey]) -> None:
        """The whole list of jobs did not show these: next time each is asked for alone."""
        for key in batches:
            self._unlisted[key] = None

    def listed(self, batch: BatchKey) -> None:
        """Its word came."""
        self._unlisted.pop(batch)

    def _words(self, batches: Sequence[Batch]) -> Iterable[Look]:
        worded = [batch for batch in batches if not batch.status_final and batch.remote_id is not None]
        alone = [batch for batch in worded if batch.key in self._unlisted]
        listed = [batch for batch in worded if batch.key not in self._unlisted]
        if listed:
            yield _look("jobs", Route.JOBS, "", listed, cost=pages(len(listed), self._size))
        for batch in alone:
            route = Route.LINKING_BATCH if batch.kind == linking.KIND else Route.CREATION_BATCH
            yield _look(f"batch:{batch.id}", route, batch.project, [batch])

    def _links(self, batch: Batch) -> Iterable[Look]:
        if batch.open and batch.remote_id is not None:
            yield self._items(batch, Route.LINKING_ITEMS, batch.open, {Stage.LINK})

    def _creations(self, batch: Batch) -> Iterable[Look]:
        created = batch.open > batch.creating
        if batch.remote_id is None:
            if batch.creating or not batch.status_final:
                yield self._tagged(f"tag:{batch.id}", batch, {Stage.CREATION})
            return
        if batch.creating or (created and self._by_items):
            expects = {Stage.CREATION, Stage.ANALYSIS} if self._by_items and self._embedded.live else {Stage.CREATION}
            yield self._items(batch, Route.CREATION_ITEMS, batch.creating, expects)
        last = self._sweeps.last(batch.key)
        unshown = batch.creating > 0 and last.unembedded > 0
        untold = self._by_items and created and not self._embedded.live and last.ended > batch.items - batch.open
        if unshown or (untold and not self._wants_search(batch)):
            yield self._tagged(f"tag:{batch.id}", batch, {Stage.ANALYSIS})

    @property
    def _by_items(self) -> bool:
        """Whether pages of items may tell of analyses; a snapshot cannot."""
        return self._strategy == "items" and self._embedded.liveness is not Liveness.SNAPSHOT

    def _wants_search(self, batch: Batch) -> bool:
        if batch.open <= batch.creating:
            return False
        still = _STILL_LIVE if self._embedded.live else _STILL
        return not self._by_items or batch.remote_id is None or self._sweeps.last(batch.key).unmoved >= still

    def _items(self, batch: Batch, route: Route, left: int, expects: set[Stage]) -> Look:
        """The items of a batch of which so many are not resolved; what is due does not depend on how it is asked."""
        cost = pages(batch.items, self._size)
        if self._strategy == "auto" and self._narrow.pays(batch, left):
            route, cost = _NARROWED[route], pages(left, self._size)
        look = _look(f"items:{batch.id}", route, batch.project, [batch], cost=cost, expects=expects)
        return replace(look, word=batch.status, idle=batch.status in IDLE_JOB)

    def _open(self, project: str, batches: list[Batch]) -> Look:
        cost = pages(sum(batch.open - batch.creating for batch in batches), self._size)
        return _look(f"search:{project}", Route.OPEN, project, batches, cost=cost, expects={Stage.ANALYSIS})

    def _tagged(self, name: str, batch: Batch, expects: set[Stage]) -> Look:
        cost = pages(batch.items, self._size)
        return _look(name, Route.TAGGED, batch.project, [batch], cost=cost, expects=expects)

    # ------------------------------------------------------------ what was not told

    def follow_up(self, look: Look, missing: Sequence[Item]) -> list[Look]:
        """How to find the open items that the whole of `look` did not tell; empty: nothing tells more."""
        if not missing:
            return []
        looks: list[Look] = []
        match Route(look.route):
            case Route.OPEN:
                looks = self._alone(look, missing) if len(missing) <= FEW else [self._ended(look, missing)]
            case Route.ENDED:
                looks = self._by_batch(look, missing)
            case Route.TAGGED:
                looks = self._alone(look, self._some(missing))
            case Route.CREATION_ITEMS:
                looks = self._by_tag_or_counted(look, missing)
            case Route.CREATION_UNRESOLVED | Route.LINKING_UNRESOLVED:
                looks = [self.whole(look)]
            case Route.JOBS | Route.CREATION_BATCH | Route.LINKING_BATCH | Route.LINKING_ITEMS | Route.ANALYSIS:
                pass
            case route:
                assert_never(route)
        return looks

    def whole(self, look: Look) -> Look:
        """In place of a look at the unresolved items of a batch, the one at all of them."""
        (key,) = look.subjects
        route, cost = _WHOLE[Route(look.route)], self._narrow.followed(key)
        return replace(look, name=f"whole:{look.name}", route=route, cost=cost, cursor=None, page=0)

    def _ended(self, look: Look, missing: Sequence[Item]) -> Look:
        cost, everything = pages(len(missing), self._size), look.subjects.keys()
        name = f"ended:{look.project}"
        return _part(look, everything, name=name, route=Route.ENDED, cost=cost, wanted=_wanted(missing))

    def _by_batch(self, look: Look, missing: Sequence[Item]) -> list[Look]:
        looks: list[Look] = []
        for key, items in _grouped(look, missing).items():
            if len(items) <= FEW:
                looks += self._alone(look, items)
            else:
                cost, wanted = pages(len(items), self._size), _wanted(items)
                looks.append(_part(look, {key}, name=batch_tag(key), route=Route.TAGGED, cost=cost, wanted=wanted))
        return looks

    def _by_tag_or_counted(self, look: Look, missing: Sequence[Item]) -> list[Look]:
        """An item that its batch does not list may have its analysis all the same. Sought and counted in turn.

        A search cannot tell which of the others are still being created, so it must not count anything as missing
        that the batch itself told.
        """
        (key,) = look.subjects
        if key in self._searched:
            self._searched.pop(key)
            return []
        self._searched[key] = None
        return [_part(look, {key}, name=batch_tag(key), route=Route.TAGGED, cost=look.cost, wanted=_wanted(missing))]

    def _alone(self, look: Look, missing: Sequence[Item]) -> list[Look]:
        return [
            _part(
                look,
                {key},
                name=f"analysis:{item.remote_id}",
                route=Route.ANALYSIS,
                cost=1,
                wanted=_wanted([item]),
            )
            for key, items in _grouped(look, missing).items()
            for item in items
            if item.remote_id is not None
        ]

    def _some(self, missing: Sequence[Item]) -> Sequence[Item]:
        """All, or the next few in turn."""
        if len(missing) <= _MOST_SINGLE:
            return missing
        begin = self._turn % len(missing)
        self._turn += _MOST_SINGLE
        return [*missing[begin:], *missing[:begin]][:_MOST_SINGLE]


def only(look: Look, keys: Collection[BatchKey]) -> Look:
    """The same question about some of its batches."""
    kept = [
        (key, remote_id, batch)
        for (key, remote_id), batch in zip(look.subjects.items(), look.batches, strict=True)
        if key in keys
    ]
    return replace(
        look,
        subjects={key: remote_id for key, remote_id, _ in kept},
        batches=tuple(batch for _, _, batch in kept),
        homes={home: key for home, key in look.homes.items() if key in keys},
    )


def _look(
    name: str, route: Route, project: str, batches: Sequence[Batch], *, cost: int = 1, expects: Iterable[Stage] = ()
) -> Look:
    return Look(
        name=name,
        route=route,
        project=project,
        subjects={batch.key: batch.remote_id for batch in batches},
        batches=tuple(batch.id for batch in batches),
        homes={(batch.job, batch.number): batch.key for batch in batches},
        cost=cost,
        expects=frozenset(expects),
    )


def _part(
    look: Look, keys: Collection[BatchKey], *, name: str, route: Route, cost: int, wanted: Mapping[str, str]
) -> Look:
    """A new question about some of the batches of `look`; it expects the analyses that it wants, if any."""
    expects = frozenset({Stage.ANALYSIS}) if wanted else frozenset[Stage]()
    part = only(look, keys)
    return replace(part, name=name, route=route, cost=cost, wanted=wanted, expects=expects, cursor=None, page=0)


def _wanted(items: Iterable[Item]) -> dict[str, str]:
    return {item.remote_id: item.key for item in items if item.remote_id is not None}


def _grouped(look: Look, missing: Iterable[Item]) -> Mapping[BatchKey, list[Item]]:
    """The missing items by the key of their batch."""
    groups: defaultdict[BatchKey, list[Item]] = defaultdict(list)
    for item in missing:
        key = look.homes.get((item.job, item.batch)) if item.batch is not None else None
        if key is not None:
            groups[key].append(item)
    return groups
