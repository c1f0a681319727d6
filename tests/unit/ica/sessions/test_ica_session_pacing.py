"""How often the latest ends are searched for, and single sessions asked about."""

import pytest

from orchestrator.clock import ManualClock
from orchestrator.platforms.ica.sessions.pacing_of_ends import LONGEST, SOON, EndSearches, Rests


@pytest.fixture
def clock():
    """A clock that the test moves."""
    return ManualClock()


async def test_a_search_for_ends_waits_for_so_many_pages(clock):
    """The first is due at once; each kind of search counts for itself."""
    searches = EndSearches(clock)
    assert searches.due("p", "sessions", pages=10, few=False)
    for _ in range(9):
        searches.page_read("p")
    assert not searches.due("p", "sessions", pages=10, few=False)
    assert searches.due("p", "analyses", pages=10, few=False)
    searches.page_read("p")
    assert searches.due("p", "sessions", pages=10, few=False)
    assert not searches.due("p", "sessions", pages=10, few=False)


@pytest.mark.parametrize(("few", "seconds"), [(True, SOON), (False, LONGEST)])
async def test_a_search_for_ends_waits_no_longer_than(clock, few, seconds):
    """A minute where sweeps are short, ten where they are long."""
    searches = EndSearches(clock)
    assert searches.due("p", "sessions", pages=10, few=few)
    await clock.advance(seconds - 1.0)
    assert not searches.due("p", "sessions", pages=10, few=few)
    await clock.advance(1.0)
    assert searches.due("p", "sessions", pages=10, few=few)


async def test_a_single_session_is_asked_about_less_and_less_often(clock):
    """Half a minute, doubled up to half an hour; those never asked about come first."""
    rests, waits = Rests(clock), []
    for _ in range(9):
        assert rests.due("s")
        rests.ask("s")
        assert not rests.due("s")
        since = clock.monotonic()
        await clock.advance(rests.waits_since("s") - since)
        waits.append(clock.monotonic() - since)
    assert waits == [30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0, 1800.0]
    assert sorted(["s", "t"], key=rests.waits_since) == ["t", "s"]
