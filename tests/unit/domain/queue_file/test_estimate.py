"""Plans: batches, digests, cycles, estimates."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.queue_file.estimate import (
    AccountLimits,
    Digest,
    batch_size,
    canonical,
    cycle_in,
    estimate,
    job_spec,
)
from orchestrator.domain.queue_file.model import QueuedJob
from orchestrator.platforms.registry import KINDS

LINKING = KINDS["ica.data_linking"]
JOB = {"name": "a", "kind": "ica.data_linking", "account": "ica", "project": "p", "items": []}


def job(**change):
    return QueuedJob.model_validate(JOB | change)


def digest_of(*items, rows=None, **change):
    digest = Digest(job(**change))
    for index, item in enumerate(items):
        digest.add(canonical(item), canonical(rows[index]) if rows else None)
    return digest.hexdigest()


def test_canonical_text_is_one_for_one_meaning():
    """Keys are sorted, nothing is spelt with blanks, and numbers keep their digits."""
    value = {"b": Decimal("1.10"), "a": 10**30, "é": [None, True]}
    assert canonical(value) == '{"a":1000000000000000000000000000000,"b":1.10,"é":[null,true]}'.encode()


@pytest.mark.parametrize(
    ("configured", "open_items", "max_open", "size"),
    [
        ({}, 100_000, None, 25_000),
        ({"data_linking": 10}, 5000, None, 10),
        ({}, 5000, None, 1250),
        ({}, 50, 7, 2),
        ({}, 1, 9, 1),
    ],
)
def test_a_batch_leaves_room_for_others(configured, open_items, max_open, size):
    """The account's batch size, but no more than a quarter of what the account, or the job, may have open."""
    limits = AccountLimits("ica", open_items, configured)
    assert size == batch_size(LINKING, limits, max_open)
    spec = job_spec(job(max_open=max_open), LINKING, limits, digest="d", file="f.yaml", dropped_by="7")
    assert (size, "f.yaml", "7", "d") == (spec.batch_size, spec.file, spec.dropped_by, spec.digest)


@pytest.mark.parametrize(
    "change",
    [
        {"account": "other"},
        {"project": "q"},
        {"priority": 1},
        {"max_open": 5},
        {"after": ["b"]},
        {"stop_after": {"failed": 1}},
        {"retry": {"attempts": 2, "on": ["FAILED"]}},
    ],
)
def test_other_wishes_are_other_content(change):
    """Whatever changes what the job does changes its digest."""
    assert digest_of({"dataId": "x"}) != digest_of({"dataId": "x"}, **change)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"name": "a"}, {"name": "A"}),
        ({}, {"count": 1}),
        ({}, {"priority": 5}),
        ({"after": ["b", "c"]}, {"after": {"jobs": ["C", "b"], "accept": ["succeeded"]}}),
    ],
)
def test_other_spellings_are_the_same_content(one, other):
    """Defaults written out, order of names, `count` and the name itself change nothing."""
    assert digest_of({"dataId": "x"}, **one) == digest_of({"dataId": "x"}, **other)


def test_items_are_content_in_their_order():
    """Another item, one more, or another order is other content."""
    digests = {digest_of(*items) for items in ([{"a": 1}], [{"a": 2}], [{"a": 1}, {"a": 2}], [{"a": 2}, {"a": 1}], [])}
    assert len(digests) == 5


def test_rows_are_content_where_they_say_more_than_the_item():
    """Results show the row; a row that is just the item is only a way to spell it."""
    item = {"dataId": "x"}
    assert digest_of(item) == digest_of(item, rows=[{"dataId": "x"}])
    assert digest_of(item) != digest_of(item, rows=[{"sample": "s1"}])


def test_cycles_are_found_and_told_in_order():
    """A cycle is told from one job round to itself; a diamond is none."""
    assert cycle_in({"a": ["b", "c"], "b": ["d"], "c": ["d"]}) is None
    assert cycle_in({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]}) == ("a", "b", "c", "a")
    assert cycle_in({"a": ["a"]}) == ("a", "a")


@given(st.dictionaries(st.integers(0, 7).map(str), st.lists(st.integers(0, 7).map(str), max_size=3)))
def test_a_cycle_is_found_exactly_when_there_is_one(after):
    """Agrees with taking away, again and again, whatever waits for nothing."""
    left = dict(after)
    while free := [name for name, waits in left.items() if not any(other in left for other in waits)]:
        for name in free:
            del left[name]
    found = cycle_in(after)
    assert (found is None) == (not left)
    if found:
        assert found[0] == found[-1]
        assert all(after_one in after[one] for one, after_one in pairwise(found))


def test_a_long_chain_needs_no_recursion():
    """Ten thousand jobs that wait in a row are no cycle and no stack."""
    assert cycle_in({str(n): [str(n + 1)] for n in range(10_000)}) is None


@pytest.mark.parametrize(
    ("items", "size", "batches", "requests", "seconds"),
    [(1, 100, 1, 2, 0.0), (250, 100, 3, 6, 0.0), (100_000, 5000, 20, 120, 0.0), (100_000, 100, 1000, 2000, 300.0)],
)
def test_estimates_count_submissions_and_pages(items, size, batches, requests, seconds):
    """One request to submit a batch and one for each page of it; time is whole windows of the budget."""
    found = estimate(items, size, AccountLimits("ica", 5000))
    assert (batches, requests, seconds) == (found.batches, found.requests, found.seconds)
