"""Plans the polls for open items that a whole poll did not report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, assert_never

from orchestrator.clock import Clock
from orchestrator.domain.identity import batch_tag
from orchestrator.domain.model import BatchKey, Item, Poll
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.batches.families import ANALYSES
from orchestrator.platforms.ica.polling.learning import Liveness
from orchestrator.platforms.ica.polling.poll_memory import PollMemory
from orchestrator.platforms.ica.polling.routes import Route, alone, grouped, part, read_route, route_of
from orchestrator.platforms.pages import pages

FEW: Final = 3
"""Maximum missing analyses that are requested one by one; more are searched."""
MOST_SINGLE: Final = 20
"""Maximum analyses of all batches that are requested one by one in one sweep; the others follow in later sweeps."""
SWEEP: Final = 10.0
"""Minimum seconds between two sweeps of a project."""
_MOST_ASKED: Final = 50
"""Maximum batches that are polled alone in one sweep, those that have waited longest first."""
_MOST_BATCHES: Final = 4096
_MOST_PROJECTS: Final = 1024


class FollowUps:
    """The follow-ups of one account. `None` in place of polls: it is too early, and nothing may be concluded."""

    def __init__(self, page_size: int, memory: PollMemory, clock: Clock) -> None:
        self._size = page_size
        self._embedded = memory.embedded
        self._status_filter = memory.status_filter
        self._unlisted_analyses = memory.unlisted_analyses
        self._unanswered = memory.unanswered
        self._clock = clock
        self._searched: Bounded[BatchKey, None] = Bounded(_MOST_BATCHES)
        self._left: Bounded[str, tuple[float, int]] = Bounded(_MOST_PROJECTS)
        """By project: when the current sweep began, and how many single requests it has left."""

    def up(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """The polls for `missing` items, of which there may be none; empty when no poll can report more."""
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
        """The poll of all items of a batch, in place of one of its unresolved items."""
        (key,) = poll.subjects
        _, family = read_route(poll)
        route, cost = route_of(family, Route.ITEMS), self._status_filter.followed(key)
        return replace(poll, name=f"whole:{poll.name}", route=route, cost=cost, cursor=None, page=0, trail=frozenset())

    # ------------------------------------------------------------ after a search of open analyses

    def _after_open(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """One search of the latest ends finds all that ended; a few that certainly ended are requested one by one."""
        groups = grouped(poll, missing)
        more_missing = self._unlisted_analyses.open_searched(poll, groups)
        if not groups:
            return []
        if len(missing) <= FEW and all(self._may_ask(key) for key in groups):
            return self._by_batch(poll, missing)
        if self._unanswered.skipped(Route.ENDED, poll.project):
            self._unlisted_analyses.ends_searched(poll, groups)
            return self._by_batch(poll, missing)
        young = any(self._unlisted_analyses.young(key) for key in groups)
        if self._unlisted_analyses.ends_due(poll.project, more_missing=more_missing, young=young):
            return [self._ended(poll, groups)]
        return self._by_batch(poll, missing)

    def _ended(self, poll: Poll, groups: Mapping[BatchKey, Sequence[Item]]) -> Poll:
        """The search of the latest ends. Young analyses have rarely ended, so they do not count for the pages."""
        missing = [item for items in groups.values() for item in items]
        mature = sum(len(items) for key, items in groups.items() if not self._unlisted_analyses.young(key))
        cost, name = pages(mature, self._size), f"ended:{poll.project}"
        return part(poll, poll.subjects.keys(), name=name, route=Route.ENDED, cost=cost, items=missing)

    # ------------------------------------------------------------ batch by batch

    def _may_ask(self, key: BatchKey) -> bool:
        return self._unlisted_analyses.due(key) and not self._unlisted_analyses.young(key)

    def _by_batch(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """One poll for each batch that is due, of the route that reports most of it."""
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
        """Whether a page of the batch's items reports a thousand analyses that searches do not list.

        While it is unknown whether the embedded statuses are current, it alternates with the other routes.
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
        """Alternately search for the analyses of items that their batch does not list, and count them as missed.

        A search does not show which items are still being created, so it must not count items as missing that the
        batch itself lists.
        """
        (key,) = poll.subjects
        if key in self._searched:
            self._searched.pop(key)
            return []
        self._searched[key] = None
        return [replace(self._tagged(poll, key, missing), cost=poll.cost)]

    # ------------------------------------------------------------ one by one

    def _in_turn(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """Request the known analyses, a few at a time; no poll reports more of the others."""
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
