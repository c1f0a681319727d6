"""What an account teaches us: whether embedded words move, and which words there are."""

import pytest

from orchestrator.domain.model import Learned
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.ica.polling.learning import EmbeddedStatus, Liveness, SearchStatuses


def test_one_change_proves_that_embedded_words_live(clock):
    """It is told once."""
    embedded = EmbeddedStatus({}, clock)
    assert [embedded.embedded("a", word) for word in ("QUEUED", "QUEUED", "IN_PROGRESS", "SUCCEEDED")] == [
        None,
        None,
        Learned("embedded", "live"),
        None,
    ]
    assert embedded.live


async def test_a_page_that_goes_on_contradicting_is_a_snapshot(clock):
    """Ten minutes of an open word after the analysis told its end; a page that only lags gets there earlier."""
    embedded = EmbeddedStatus({}, clock)
    embedded.embedded("a", "QUEUED")
    embedded.direct("a", "SUCCEEDED")
    told = []
    for _ in range(12):
        await clock.advance(60)
        told.append(embedded.embedded("a", "QUEUED"))
    assert [lesson for lesson in told if lesson] == [Learned("embedded", "snapshot")]


async def test_a_later_change_proves_life_all_the_same(clock):
    """A presumption gives way to a proof, in memory too."""
    embedded = EmbeddedStatus({"embedded": "snapshot"}, clock)
    embedded.embedded("a", "QUEUED")
    assert embedded.embedded("a", "IN_PROGRESS") == Learned("embedded", "live")


def test_a_lagging_page_is_no_snapshot(clock):
    """An open word shortly after the end, then the end itself: the page lives."""
    embedded = EmbeddedStatus({}, clock)
    embedded.embedded("a", "QUEUED")
    embedded.direct("a", "SUCCEEDED")
    assert embedded.embedded("a", "QUEUED") is None
    assert embedded.embedded("a", "SUCCEEDED") == Learned("embedded", "live")


@pytest.mark.parametrize(
    ("held", "liveness"), [({}, "unknown"), ({"embedded": "live"}, "live"), ({"embedded": "?"}, "unknown")]
)
def test_what_was_learnt_is_remembered(clock, held, liveness):
    """Nonsense in the memory counts as nothing."""
    assert EmbeddedStatus(held, clock).liveness is Liveness(liveness)


def test_memory_does_not_grow_with_the_analyses(clock):
    """A hundred thousand sightings keep a few thousand."""
    embedded = EmbeddedStatus({}, clock)
    for number in range(100_000):
        embedded.embedded(f"a{number}", "QUEUED")
    assert len(embedded._watched) <= 4096


@pytest.mark.parametrize("word", ["SUCCEEDED", "QUEUED", "", "A" * 65, "a,b", "Ä", 'x"y'])
def test_words_that_cannot_be_asked_for_are_not_learnt(word):
    """Known ones need no learning; odd ones would break the filter or the memory."""
    assert SearchStatuses({}).observed(word) is None


def test_words_are_learnt_up_to_a_bound():
    """A platform that makes up a word for each analysis fills no memory."""
    words = SearchStatuses({})
    told = [words.observed(f"WORD_{number}") for number in range(100)]
    assert sum(lesson is not None for lesson in told) == 16
    assert len(words.open) == 8 + 16


def test_the_newest_entries_are_kept():
    """What is set again counts as new."""
    held: Bounded[str, int] = Bounded(2)
    held["a"], held["b"], held["a"] = 1, 2, 3
    held["c"] = 4
    assert (held.get("a"), held.get("b"), held.get("c"), len(held)) == (3, None, 4, 2)
    assert held.pop("a") == 3
    assert "a" not in held
