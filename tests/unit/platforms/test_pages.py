"""Listings that never end cost few requests."""

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.platforms.pages import EndlessListingError, ListingGuard, pages


@pytest.mark.parametrize(("rows", "size", "count"), [(0, 10, 1), (1, 10, 1), (10, 10, 1), (11, 10, 2)])
def test_an_empty_list_costs_a_request_too(rows, size, count):
    """Rounded up, and at least one."""
    assert pages(rows, size) == count


@pytest.mark.parametrize("page", [[], ["a", "b"]])
def test_a_listing_without_new_rows_is_refused_after_three_pages(page):
    """What repeats a page, or is empty, brings nothing. A refusal: nothing follows from what was not in it."""
    guard = ListingGuard("the list of tasks")
    guard.check(["a", "b"])
    guard.check(page)
    guard.check(page)
    with pytest.raises(EndlessListingError, match=r"the list of tasks does not end: 4 pages were read") as refusal:
        guard.check(page)
    assert isinstance(refusal.value, Refused)


def test_a_circle_of_many_pages_is_refused_after_one_turn():
    """Rows are known wherever they stood before."""
    guard, turn = ListingGuard("x"), 7
    for number in range(turn + 2):
        guard.check([number % turn])
    with pytest.raises(EndlessListingError, match=f"{turn + 3} pages"):
        guard.check([2])


def test_rows_that_are_always_new_are_read_up_to_a_limit():
    """A platform may invent rows for as long as it is asked."""
    guard = ListingGuard("x", most_pages=5)
    for number in range(4):
        guard.check([number])
    with pytest.raises(EndlessListingError):
        guard.check([4])


def test_rows_that_cannot_be_read_may_be_new():
    """They have no id: pages of them are counted against the limit alone."""
    guard = ListingGuard("x", most_pages=6)
    for _ in range(5):
        guard.check([], bad_rows=3)
