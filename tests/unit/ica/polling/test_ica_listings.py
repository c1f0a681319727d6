"""Listings whose page tokens lead nowhere, and answers that are no text to read: each costs little and ends."""

import pytest

from orchestrator.clock import SECOND
from orchestrator.domain.errors import Refused, Transient

SEARCH, JOBS, ITEMS = "analysis:search", "jobs", "dataLinkingBatch/items"
NOBODY = {"items": []}


@pytest.fixture
def lost(batch):
    """A batch that was sent, of which nothing more is known."""
    sent_at = 1_700_000_000 * SECOND
    return batch(remote_id=None, items=2, open=2, first_sent_at=sent_at, sent_at=sent_at)


def tokens(script, route, rows, *names):
    """Pages with these tokens, round and round."""
    calls = iter(range(10_000))

    def answer(_call):
        number = next(calls)
        return {"items": rows(number), "nextPageToken": names[number % len(names)] if names else f"t{number}"}

    script.say(route, answer)


async def test_a_token_that_was_seen_before_ends_a_search(ica, script, lost):
    """A, B, A, B: three pages are read, and what was not on them is not there."""
    tokens(script, SEARCH, lambda number: [{"id": f"x{number}", "status": "QUEUED"}], "A", "B")
    script.say(JOBS, NOBODY)
    assert (await ica().reconcile(lost)).items == []
    assert script.routes().count(SEARCH) == 3


@pytest.mark.parametrize("rows", [lambda _: [], lambda _: [{"id": "same", "status": "QUEUED"}]])
async def test_tokens_without_end_that_bring_nothing_new_cost_few_requests(ica, script, lost, rows):
    """Empty pages, or the same page again under ever new tokens: half a listing, from which nothing may follow."""
    tokens(script, SEARCH, rows)
    script.say(JOBS, NOBODY)
    with pytest.raises(Refused, match="does not end"):
        await ica().reconcile(lost)
    assert script.routes().count(SEARCH) <= 4


async def test_a_search_that_has_no_end_is_refused(ica, script, lost):
    """Always new rows: after 200 pages nothing may be concluded, and it is not asked again at once."""
    tokens(script, SEARCH, lambda number: [{"id": f"x{number}", "status": "QUEUED"}])
    script.say(JOBS, NOBODY)
    with pytest.raises(Refused, match="200 pages"):
        await ica().reconcile(lost)
    assert script.routes().count(SEARCH) == 200


async def test_a_sweep_whose_tokens_run_in_a_circle_ends(ica, script, batch):
    """A, B, A, B: the sweep of a batch's items ends at the first token that it saw before."""
    tokens(script, ITEMS, lambda _: [], "A", "B")
    adapter = ica()
    tracked = batch(kind="ica.data_linking", items=10, open=10, creating=0)
    (poll,) = [each for each in adapter.polls([tracked]) if each.name.startswith("items:")]
    pages = 0
    page = poll
    while page is not None:
        page = (await adapter.poll(page)).next
        pages += 1
    assert pages == 3


@pytest.mark.parametrize("body", [b"[" * 5_000_000, b'{"items":' + b"[" * 5_000_000, b'{"x":' + b"[" * 5_000_000])
async def test_millions_of_brackets_are_an_answer_that_cannot_be_read(ica, script, lost, body):
    """A clean error of the platform, asked again later; no bug of ours."""
    script.say(SEARCH, body)
    with pytest.raises(Transient, match="cannot be read"):
        await ica().reconcile(lost)
