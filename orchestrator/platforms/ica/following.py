"""How to find open items that the whole of a question did not tell."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, assert_never

from orchestrator.clock import Clock
from orchestrator.domain.identity import batch_tag
from orchestrator.domain.model import BatchKey, Item, Look
from orchestrator.platforms.bounded import Bounded
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.absent import Absent
from orchestrator.platforms.ica.families import ANALYSES
from orchestrator.platforms.ica.learning import Embedded, Liveness
from orchestrator.platforms.ica.narrow import Narrow
from orchestrator.platforms.ica.questions import Route, alone, grouped, part, read_route, route_of
from orchestrator.platforms.ica.silence import Silence
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


class Following:
    """Of one account. `None` in place of questions: it is too early to ask, and nothing may be concluded."""

    def __init__(
        self,
        *,
        page_size: int,
        embedded: Embedded,
        narrow: Narrow,
        absent: Absent,
        silence: Silence,
        clock: Clock,
    ) -> None:
        self._size = page_size
        self._embedded = embedded
        self._narrow = narrow
        self._absent = absent
        self._silence = silence
        self._clock = clock
        self._searched: Bounded[BatchKey, None] = Bounded(_MOST_BATCHES)
        self._left: Bounded[str, tuple[float, int]] = Bounded(_MOST_PROJECTS)
        """When the present sweep of a project began, and how many single questions it may still ask."""

    def up(self, look: Look, missing: Sequence[Item]) -> Sequence[Look] | None:
        """What to ask about `missing`, which may be nothing; empty: nothing tells more."""
        looks: Sequence[Look] | None = []
        route, family = read_route(look)
        match route:
            case Route.OPEN:
                looks = self._after_open(look, missing)
            case Route.UNSEARCHED:
                looks = self._by_batch(look, missing)
            case Route.ENDED:
                self._absent.sought(look, grouped(look, missing))
                looks = self._by_batch(look, missing)
            case Route.TAGGED:
                looks = self._in_turn(look, missing)
            case Route.ITEMS:
                looks = self._after_items(look, missing) if family is ANALYSES else []
            case Route.UNRESOLVED:
                looks = [self.whole(look)] if missing else []
            case Route.JOBS | Route.BATCH | Route.ANALYSIS:
                pass
            case _:
                assert_never(route)
        return looks

    def whole(self, look: Look) -> Look:
        """In place of a look at the unresolved items of a batch, the one at all of them."""
        (key,) = look.subjects
        _, family = read_route(look)
        route, cost = route_of(family, Route.ITEMS), self._narrow.followed(key)
        return replace(look, name=f"whole:{look.name}", route=route, cost=cost, cursor=None, page=0, trail=frozenset())

    # ------------------------------------------------------------ what goes on, and what ended

    def _after_open(self, look: Look, missing: Sequence[Item]) -> Sequence[Look] | None:
        """One search for the latest ends tells of all that ended; for a few that surely did, single questions do."""
        groups = grouped(look, missing)
        news = self._absent.swept(look, groups)
        if not groups:
            return []
        if len(missing) <= FEW and all(self._may_ask(key) for key in groups):
            return self._by_batch(look, missing)
        if self._silence.lasts(Route.ENDED, look.project):
            self._absent.sought(look, groups)
            return self._by_batch(look, missing)
        young = any(self._absent.young(key) for key in groups)
        if self._absent.ends_due(look.project, news=news, young=young):
            return [self._ended(look, groups)]
        return self._by_batch(look, missing)

    def _ended(self, look: Look, groups: Mapping[BatchKey, Sequence[Item]]) -> Look:
        """What is young has hardly ended: no page is read for its sake alone."""
        missing = [item for items in groups.values() for item in items]
        grown = sum(len(items) for key, items in groups.items() if not self._absent.young(key))
        cost, name = pages(grown, self._size), f"ended:{look.project}"
        return part(look, look.subjects.keys(), name=name, route=Route.ENDED, cost=cost, items=missing)

    # ------------------------------------------------------------ batch by batch

    def _may_ask(self, key: BatchKey) -> bool:
        return self._absent.due(key) and not self._absent.young(key)

    def _by_batch(self, look: Look, missing: Sequence[Item]) -> Sequence[Look] | None:
        """About each batch that is due by itself: by the question that tells most of it."""
        groups = grouped(look, missing)
        unsearched = look.route == Route.UNSEARCHED
        due = [key for key in groups if self._absent.due(key) and (unsearched or not self._absent.young(key))]
        due.sort(key=self._absent.waits_since)
        looks: list[Look] = []
        for key in due[:_MOST_ASKED]:
            visits = self._absent.visit(key, unsearched=unsearched)
            if unsearched:
                looks += self._some(look, key, groups[key])
            else:
                looks += self._of_batch(look, key, groups[key], visits)
        return looks or (None if groups else [])

    def _of_batch(self, look: Look, key: BatchKey, items: Sequence[Item], visits: int) -> Sequence[Look]:
        known = all(item.remote_id is not None for item in items)
        if known and (len(items) <= FEW or self._absent.waiting(key)):
            return self._some(look, key, items)
        if self._pages_tell(look, key, len(items), visits):
            cost, route = pages(len(items), self._size), route_of(ANALYSES, Route.ITEMS)
            return [part(look, {key}, name=f"items of {key}", route=route, cost=cost, items=items)]
        return [self._tagged(look, key, items)]

    def _pages_tell(self, look: Look, key: BatchKey, missing: int, visits: int) -> bool:
        """Whether a page of the batch's items tells of a thousand analyses that searches do not show.

        While nobody knows whether to believe the words embedded there, it takes turns with the other ways.
        """
        believed = self._embedded.live or (self._embedded.liveness is Liveness.UNKNOWN and visits % 2 == 0)
        return believed and look.subjects[key] is not None and self._absent.large(key, missing)

    def _tagged(self, look: Look, key: BatchKey, items: Sequence[Item]) -> Look:
        cost = pages(len(items), self._size)
        return part(look, {key}, name=batch_tag(key), route=Route.TAGGED, cost=cost, items=items)

    def _after_items(self, look: Look, missing: Sequence[Item]) -> Sequence[Look] | None:
        if not missing:
            return []
        if self._silence.of(Route.OPEN, look.project):
            return self._in_turn(look, missing)
        if look.named:
            (key,) = look.subjects
            return [self._tagged(look, key, missing)]
        return self._by_tag_or_counted(look, missing)

    def _by_tag_or_counted(self, look: Look, missing: Sequence[Item]) -> Sequence[Look]:
        """An item that its batch does not list may have its analysis all the same. Sought and counted in turn.

        A search cannot tell which of the others are still being created, so it must not count anything as missing
        that the batch itself told.
        """
        (key,) = look.subjects
        if key in self._searched:
            self._searched.pop(key)
            return []
        self._searched[key] = None
        return [replace(self._tagged(look, key, missing), cost=look.cost)]

    # ------------------------------------------------------------ one by one

    def _in_turn(self, look: Look, missing: Sequence[Item]) -> Sequence[Look] | None:
        """Those whose analyses are known, a few at a time; nothing tells more of the others."""
        looks: list[Look] = []
        known = [item for item in missing if item.remote_id is not None and item.stage == stages.ANALYSIS]
        for key, items in grouped(look, known).items():
            looks += self._some(look, key, items)
        return looks or (None if known else [])

    def _some(self, look: Look, key: BatchKey, items: Sequence[Item]) -> Sequence[Look]:
        now = self._clock.monotonic()
        began, left = self._left.get(look.project) or (now, MOST_SINGLE)
        if now - began >= SWEEP:
            began, left = now, MOST_SINGLE
        looks = alone(look, key, self._absent.in_turn(key, items, left))
        self._left[look.project] = began, left - len(looks)
        return looks
