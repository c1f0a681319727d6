"""Plans the polls that report everything about the open batches of an account in the fewest requests.

| what is open | poll | requests |
| --- | --- | --- |
| the status of any batch | JOBS, for all | one per page of jobs |
| a batch that the list of jobs does not have | BATCH, of its family | one |
| items being created | ITEMS, per batch | one per page of its items |
| created analyses | OPEN, per project | one per page of open analyses |
| analyses that an open search no longer lists | ENDED, per project | a few pages, the latest end first |
| analyses that ENDED does not list either | TAGGED or ITEMS, per batch | one per page of its analyses |
| only a few of these | ANALYSIS | one |
| analyses where ICA refuses searches | ITEMS, per batch; UNSEARCHED | one per page; one ANALYSIS for each in turn |
| work on data and samples | ITEMS, per batch | one per page of its items |
| the last items of a large batch | UNRESOLVED, per batch | one per page of open items |
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal

from orchestrator.clock import Clock
from orchestrator.domain.model import Batch, BatchKey, Poll, Stage
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.batches.families import ANALYSES, FAMILIES, Family
from orchestrator.platforms.ica.polling.follow_ups import MOST_SINGLE
from orchestrator.platforms.ica.polling.learning import Liveness
from orchestrator.platforms.ica.polling.poll_memory import PollMemory
from orchestrator.platforms.ica.polling.routes import Route, question, route_of
from orchestrator.platforms.ica.statuses import IDLE_JOB
from orchestrator.platforms.pages import pages

Strategy = Literal["auto", "items"]

UNLISTED: Final = 6 * 3600.0
"""Seconds for which a batch that is not in the list of jobs is polled alone."""
_STILL: Final = 3
"""Sweeps of a batch's items without a change after which the analyses are searched too (strategy `items`)."""
_STILL_LIVE: Final = 12
"""The same when embedded statuses are known to be live."""
_MOST_BATCHES: Final = 4096


class Plan:
    """Plans the polls of one account."""

    def __init__(self, page_size: int, strategy: Strategy, memory: PollMemory, clock: Clock) -> None:
        self._size = page_size
        self._strategy = strategy
        self._embedded = memory.embedded
        self._last_sweeps = memory.last_sweeps
        self._status_filter = memory.status_filter
        self._unlisted_analyses = memory.unlisted_analyses
        self._unanswered = memory.unanswered
        self._clock = clock
        self._unlisted: Bounded[BatchKey, float] = Bounded(_MOST_BATCHES)
        """When the whole list of jobs did not have these."""

    def polls(self, batches: Sequence[Batch]) -> list[Poll]:
        """The polls for these batches, with unique names."""
        batches = [batch for batch in batches if batch.kind in FAMILIES]
        created = [batch for batch in batches if batch.kind == ANALYSES.kind and batch.open > batch.creating]
        self._unlisted_analyses.plan(created)
        polls = [*self._statuses(batches)]
        for batch in batches:
            family = FAMILIES[batch.kind]
            polls += self._creations(batch) if family is ANALYSES else self._data_items(batch, family)
        polls += self._searches(created)
        return polls

    # ------------------------------------------------------------ batches

    def unlisted(self, batches: Iterable[BatchKey]) -> None:
        """Record that the whole list of jobs did not have these: for some hours each is polled alone."""
        now = self._clock.monotonic()
        for key in batches:
            self._unlisted[key] = now

    def listed(self, batch: BatchKey) -> None:
        """Record that the list of jobs has this batch."""
        self._unlisted.pop(batch)

    def _is_unlisted(self, batch: Batch) -> bool:
        since = self._unlisted.get(batch.key)
        return since is not None and self._clock.monotonic() - since < UNLISTED

    def _statuses(self, batches: Sequence[Batch]) -> Iterable[Poll]:
        """The list of jobs, also while ICA does not answer it; each batch is then polled alone too."""
        running = [batch for batch in batches if not batch.status_final and batch.remote_id is not None]
        listed = [batch for batch in running if not self._is_unlisted(batch)]
        if listed:
            yield question("jobs", Route.JOBS, "", listed, cost=pages(len(listed), self._size))
        unanswered = self._unanswered.of(Route.JOBS)
        for batch in running:
            if unanswered or self._is_unlisted(batch):
                route = route_of(FAMILIES[batch.kind], Route.BATCH)
                yield question(f"batch:{batch.id}", route, batch.project, [batch])

    # ------------------------------------------------------------ items

    def _data_items(self, batch: Batch, family: Family) -> Iterable[Poll]:
        if batch.open and batch.remote_id is not None:
            yield self._items(batch, family, batch.open, {family.stage})

    def _creations(self, batch: Batch) -> Iterable[Poll]:
        by_items = self._by_items(batch)
        if batch.remote_id is None:
            if batch.creating or not batch.status_final:
                yield self._tagged(batch, {stages.CREATION})
            return
        if batch.creating or by_items:
            expects = {stages.CREATION, stages.ANALYSIS} if by_items and self._embedded.live else {stages.CREATION}
            yield self._items(batch, ANALYSES, batch.items if by_items else batch.creating, expects)
        last = self._last_sweeps.last(batch.key)
        unshown = batch.creating > 0 and last.unembedded > 0
        unreported = by_items and not self._embedded.live and last.ended > batch.items - batch.open
        if unshown or (unreported and not self._wants_search(batch)):
            yield self._tagged(batch, {stages.ANALYSIS})

    def _by_items(self, batch: Batch) -> bool:
        """Whether the status of its analyses is read from item pages, which is impossible with snapshots."""
        asked = self._strategy == "items" or self._unanswered.of(Route.OPEN, batch.project)
        return asked and batch.open > batch.creating and self._embedded.liveness is not Liveness.SNAPSHOT

    def _items(self, batch: Batch, family: Family, left: int, expects: set[Stage]) -> Poll:
        """The poll of the items of a batch, of which `left` are open, filtered or not, under the same name."""
        route, cost = Route.ITEMS, pages(batch.items, self._size)
        if self._status_filter.worthwhile(batch, left):
            route, cost = Route.UNRESOLVED, pages(left, self._size)
        asked = route_of(family, route)
        poll = question(f"items:{batch.id}", asked, batch.project, [batch], cost=cost, expects=expects)
        return replace(poll, word=batch.status, idle=batch.status in IDLE_JOB)

    # ------------------------------------------------------------ analyses

    def _searches(self, batches: Sequence[Batch]) -> Iterable[Poll]:
        """One search per project, also while ICA does not answer it; a replacement is then planned too."""
        projects: defaultdict[str, list[Batch]] = defaultdict(list)
        for batch in batches:
            if self._wants_search(batch):
                projects[batch.project].append(batch)
        for project, group in projects.items():
            left = sum(batch.open - batch.creating for batch in group)
            yield self._search(f"search:{project}", Route.OPEN, group, pages(left, self._size))
            if self._unanswered.of(Route.OPEN, project) and not self._embedded.live:
                yield self._search(f"unsearched:{project}", Route.UNSEARCHED, group, min(left, MOST_SINGLE))

    def _wants_search(self, batch: Batch) -> bool:
        if not self._by_items(batch) or batch.remote_id is None or self._unanswered.of(Route.OPEN, batch.project):
            return True
        return self._last_sweeps.last(batch.key).unchanged >= (_STILL_LIVE if self._embedded.live else _STILL)

    def _search(self, name: str, route: Route, batches: Sequence[Batch], cost: int) -> Poll:
        return question(name, route, batches[0].project, batches, cost=cost, expects={stages.ANALYSIS})

    def _tagged(self, batch: Batch, expects: set[Stage]) -> Poll:
        cost = pages(batch.items, self._size)
        return question(f"tag:{batch.id}", Route.TAGGED, batch.project, [batch], cost=cost, expects=expects)
