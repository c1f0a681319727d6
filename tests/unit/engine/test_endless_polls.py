"""Polls of a platform that never comes to an end."""

from types import SimpleNamespace

import polls
import pytest

from orchestrator.clock import ManualClock
from orchestrator.domain.errors import Transient
from orchestrator.domain.model import PollResult
from orchestrator.engine.steps.polling import MOST_PAGES, Polling
from orchestrator.store.changes import Observed
from orchestrator.telemetry.bus import Bus


class Endless:
    """A platform that has one more page, until `last`."""

    def __init__(self, last):
        self._last = last
        self.requests = 0

    async def poll(self, poll):
        self.requests += 1
        return PollResult((), next=poll if self.requests < self._last else None)

    def follow_up(self, _poll, _missing):
        return ()


async def _apply_nothing(_observations, **_given):
    return Observed()


def _polling(platform):
    store = SimpleNamespace(advance=SimpleNamespace(apply_reports=_apply_nothing))
    forecasts = SimpleNamespace(learn=lambda _ended: None)
    return Polling(account="ica", platform=platform, forecasts=forecasts, store=store, clock=ManualClock(), bus=Bus())


async def test_a_poll_that_does_not_end_fails():
    """Each page costs a request, so a platform that ignores the place it is asked for would take the whole budget."""
    platform = Endless(last=10**6)
    with pytest.raises(Transient, match="search:p does not end"):
        await _polling(platform).sweep(polls.poll("search:p", cost=3))
    assert platform.requests == MOST_PAGES + 2 * 3


async def test_a_long_poll_that_ends_is_read_to_its_end():
    """The limit is far beyond what was expected."""
    platform = Endless(last=MOST_PAGES)
    assert await _polling(platform).sweep(polls.poll("search:p")) == MOST_PAGES
