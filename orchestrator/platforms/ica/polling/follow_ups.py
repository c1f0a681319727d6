"""How to find open items that the whole of a question did not tell."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, assert_never

from orchestrator.clock import Clock
from orchestrator.domain.identity import batch_tag
from orchestrator.domain.model import BatchKey, Item, Poll
from orchestrator.platforms.bounded import Bounded
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.batches.families import ANALYSES
from orchestrator.platforms.ica.polling.learning import EmbeddedStatus, Liveness
from orchestrator.platforms.ica.polling.routes import Route, alone, grouped, part, read_route, route_of
from orchestrator.platforms.ica.polling.status_filter import StatusFilter
from orchestrator.platforms.ica.polling.unanswered_polls import UnansweredPolls
from orchestrator.platforms.ica.polling.unlisted_analyses import UnlistedAnalyses
from orchestrator.platforms.pages import pages

FEW: Final = 3
"""So many missing analyses are asked for one by one; more are searched for."""
MOST_SINGLE: Final = 20
"""Analyses that are asked for one by one in one sweep, of all batches together; the others have their turn later."""
SWEEP: Final = 10.0
"""Seconds from one sweep of a project to the next, at the soonest."""
_MOST_ASKED: Final = 50
"""Batches that are asked about by themselves in one sweep, those first that wait longest."""
_MOST_BATCHES: Final = 4096
_MOST_PROJECTS: Final = 1024


class FollowUps:
    """Of one account. `None` in place of questions: it is too early to ask, and nothing may be concluded."""

    def __init__(
        self,
        *,
        page_size: int,
        embedded: EmbeddedStatus,
        status_filter: StatusFilter,
        unlisted_analyses: UnlistedAnalyses,
        unanswered: UnansweredPolls,
        clock: Clock,
    ) -> None:
        self._size = page_size
        self._embedded = embedded
        self._status_filter = status_filter
        self._unlisted_analyses = unlisted_analyses
        self._unanswered = unanswered
        self._clock = clock
        self._searched: Bounded[BatchKey, None] = Bounded(_MOST_BATCHES)
        self._left: Bounded[str, tuple[float, int]] = Bounded(_MOST_PROJECTS)
        """When the present sweep of a project began, and how many single questions it may still ask."""

    def up(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """What to ask about `missing`, which may be nothing; empty: nothing tells more."""
        polls: Sequence[Poll] | None = []
        route, family = read_route(poll)
        match route:
            case Route.OPEN:
                polls = self._after_open(poll, missing)
            case Route.UNSEARCHED:
                polls = self._by_batch(poll, missing)
            case Route.ENDED:
                self._unlisted_analyses.ends_searched(poll, grouped(poll, missing))
                polls = self._by_batch(poll, missing)
            case Route.TAGGED:
                polls = self._in_turn(poll, missing)
            case Route.ITEMS:
                polls = self._after_items(poll, missing) if family is ANALYSES else []
            case Route.UNRESOLVED:
                polls = [self.whole(poll)] if missing else []
            case Route.JOBS | Route.BATCH | Route.ANALYSIS:
                pass
            case _:
                assert_never(route)
        return polls

    def whole(self, poll: Poll) -> Poll:
        """In place of a look at the unresolved items of a batch, the one at all of them."""
        (key,) = poll.subjects
        _, family = read_route(poll)
        route, cost = route_of(family, Route.ITEMS), self._status_filter.followed(key)
        return replace(poll, name=f"whole:{poll.name}", route=route, cost=cost, cursor=None, page=0, trail=frozenset())

    # ------------------------------------------------------------ what goes on, and what ended

    def _after_open(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """One search for the latest ends tells of all that ended; for a few that surely did, single questions do."""
        groups = grouped(poll, missing)
        news = self._unlisted_analyses.open_searched(poll, groups)
        if not groups:
            return []
        if len(missing) <= FEW and all(self._may_ask(key) for key in groups):
            return self._by_batch(poll, missing)
        if self._unanswered.lasts(Route.ENDED, poll.project):
            self._unlisted_analyses.ends_searched(poll, groups)
            return self._by_batch(poll, missing)
        young = any(self._unlisted_analyses.young(key) for key in groups)
        if self._unlisted_analyses.ends_due(poll.project, news=news, young=young):
            return [self._ended(poll, groups)]
        return self._by_batch(poll, missing)

    def _ended(self, poll: Poll, groups: Mapping[BatchKey, Sequence[Item]]) -> Poll:
        """What is young has hardly ended: no page is read for its sake alone."""
        missing = [item for items in groups.values() for item in items]
        grown = sum(len(items) for key, items in groups.items() if not self._unlisted_analyses.young(key))
        cost, name = pages(grown, self._size), f"ended:{poll.project}"
        return part(poll, poll.subjects.keys(), name=name, route=Route.ENDED, cost=cost, items=missing)

    # ------------------------------------------------------------ batch by batch

    def _may_ask(self, key: BatchKey) -> bool:
        return self._unlisted_analyses.due(key) and not self._unlisted_analyses.young(key)

    def _by_batch(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """About each batch that is due by itself: by the question that tells most of it."""
        groups = grouped(poll, missing)
        unsearched = poll.route == Route.UNSEARCHED
        due = [
            key
            for key in groups
            if self._unlisted_analyses.due(key) and (unsearched or not self._unlisted_analyses.young(key))
        ]
        due.sort(key=self._unlisted_analyses.waits_since)
        polls: list[Poll] = []
        for key in due[:_MOST_ASKED]:
            visits = self._unlisted_analyses.visit(key, unsearched=unsearched)
            if unsearched:
                polls += self._some(poll, key, groups[key])
            else:
                polls += self._of_batch(poll, key, groups[key], visits)
        return polls or (None if groups else [])

    def _of_batch(self, poll: Poll, key: BatchKey, items: Sequence[Item], visits: int) -> Sequence[Poll]:
        known = all(item.remote_id is not None for item in items)
        if known and (len(items) <= FEW or self._unlisted_analyses.waiting(key)):
            return self._some(poll, key, items)
        if self._pages_report(poll, key, len(items), visits):
            cost, route = pages(len(items), self._size), route_of(ANALYSES, Route.ITEMS)
            return [part(poll, {key}, name=f"items of {key}", route=route, cost=cost, items=items)]
        return [self._tagged(poll, key, items)]

    def _pages_report(self, poll: Poll, key: BatchKey, missing: int, visits: int) -> bool:
        """Whether a page of the batch's items tells of a thousand analyses that searches do not show.

        While nobody knows whether to believe the words embedded there, it takes turns with the other ways.
        """
        believed = self._embedded.live or (self._embedded.liveness is Liveness.UNKNOWN and visits % 2 == 0)
        return believed and poll.subjects[key] is not None and self._unlisted_analyses.large(key, missing)

    def _tagged(self, poll: Poll, key: BatchKey, items: Sequence[Item]) -> Poll:
        cost = pages(len(items), self._size)
        return part(poll, {key}, name=batch_tag(key), route=Route.TAGGED, cost=cost, items=items)

    def _after_items(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        if not missing:
            return []
        if self._unanswered.of(Route.OPEN, poll.project):
            return self._in_turn(poll, missing)
        if poll.named:
            (key,) = poll.subjects
            return [self._tagged(poll, key, missing)]
        return self._by_tag_or_counted(poll, missing)

    def _by_tag_or_counted(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll]:
        """An item that its batch does not list may have its analysis all the same. Sought and counted in turn.

        A search cannot tell which of the others are still being created, so it must not count anything as missing
        that the batch itself told.
        """
        (key,) = poll.subjects
        if key in self._searched:
            self._searched.pop(key)
            return []
        self._searched[key] = None
        return [replace(self._tagged(poll, key, missing), cost=poll.cost)]

    # ------------------------------------------------------------ one by one

    def _in_turn(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """Those whose analyses are known, a few at a time; nothing tells more of the others."""
        polls: list[Poll] = []
        known = [item for item in missing if item.remote_id is not None and item.stage == stages.ANALYSIS]
        for key, items in grouped(poll, known).items():
            polls += self._some(poll, key, items)
        return polls or (None if known else [])

    def _some(self, poll: Poll, key: BatchKey, items: Sequence[Item]) -> Sequence[Poll]:
        now = self._clock.monotonic()
        began, left = self._left.get(poll.project) or (now, MOST_SINGLE)
        if now - began >= SWEEP:
            began, left = now, MOST_SINGLE
        polls = alone(poll, key, self._unlisted_analyses.in_turn(key, items, left))
        self._left[poll.project] = began, left - len(polls)
        return polls
