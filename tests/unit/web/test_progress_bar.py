"""The drawing of a job's progress."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.model import ItemState
from orchestrator.web.pages.content.progress_bar import WIDTH, progress_bar

COUNTS = st.dictionaries(st.sampled_from(ItemState), st.integers(0, 100_000))


@given(COUNTS)
def test_segments_fill_the_bar_without_gaps(counts):
    """Each state that has items is visible, and they lie side by side from edge to edge."""
    bar = progress_bar(counts)
    assert {each.state: each.count for each in bar.segments} == {state: n for state, n in counts.items() if n}
    assert all(each.width > 0 for each in bar.segments)
    x = 0
    for each in bar.segments:
        assert each.x == x
        x += each.width
    assert x == (WIDTH if bar.segments else 0)


def test_the_drawing_has_a_text():
    """For those who do not see it."""
    bar = progress_bar({ItemState.RUNNING: 1200, ItemState.SUCCEEDED: 3, ItemState.FAILED: 1})
    assert bar.text == "1,204 items: 3 succeeded, 1 failed, 1,200 running"
    assert (bar.final, bar.total) == (4, 1204)
    assert progress_bar({}).text == "no items"


@pytest.mark.parametrize("state", [ItemState.FAILED, ItemState.ATTENTION])
def test_one_in_a_hundred_thousand_can_be_seen(state):
    """What needs attention is never rounded away."""
    bar = progress_bar({ItemState.SUCCEEDED: 99_999, state: 1})
    assert bar.segments[1].width >= 5
