"""What becomes of submitted items: always the truth, in few requests, however the platform behaves."""

from dataclasses import replace

import pytest

CREATION, LINKING = "ica.analysis_creation", "ica.data_linking"
NAMES = ["s1", "s2-fail", "s3-failfinal", "s4-abort", "s5-await", "s6-odd", "s7-slow", "s8-nocreate", "s9", "s10-odd"]


def expected(bench):
    """The simulator's truth; an item that was never created failed."""
    return bench.truth() | {"s8-nocreate": "FAILED"}


@pytest.mark.parametrize("strategy", ["auto", "items"])
@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"embedded": "snapshot"},
        {"embedded": "lagging"},
        {"embedded": "lagging", "search_lag": 25.0},
        {"tag_filter": "any"},
        {"tag_filter": "prefix"},
        {"null_lists": True, "last_page": "null", "job_null": True},
        {"last_page": "absent", "page_order": "shuffled"},
        {"analysis_seconds": 3.0, "embedded": "snapshot"},
        {"analysis_seconds": 900.0, "creation_seconds": 60.0, "jitter": 0.9},
    ],
    ids=str,
)
async def test_every_analysis_ends_as_it_did(bench, strategy, knobs):
    """However ICA may behave, each item ends with the word of its own analysis, and none is contradicted."""
    it = bench(page_size=3, strategy=strategy, **knobs)
    await it.submit(CREATION, NAMES)
    await it.submit(CREATION, [f"other/{name}" for name in NAMES], job="other")
    await it.watch(rounds=2000)
    assert it.ends() == expected(it) | {"other/s8-nocreate": "FAILED"}
    assert it.unknown_objects == []
    if "lagging" not in knobs.values():
        assert it.contradictions == []
    assert it.simulator.truth.duplicates() == {}


@pytest.mark.parametrize("knobs", [{}, {"null_lists": True, "last_page": "null"}, {"page_order": "shuffled"}], ids=str)
async def test_every_link_ends_as_it_did(bench, knobs):
    """Links are told by their batches, page by page, in ICA's own words."""
    it = bench(page_size=3, **knobs)
    names = ["fil.1", "fil.fail0001", "fil.partial0002", "fil.already0003", "fil.odd0004", "fil.slow0005", "fil.6"]
    await it.submit(LINKING, names)
    await it.watch()
    assert it.ends() == it.truth()
    assert set(it.ends().values()) == {"LINKED", "FAILED", "PARTIALLY_LINKED", "ALREADY_LINKED"}


async def test_a_straggler_does_not_cost_the_pages_of_its_batch(bench):
    """Ten pages of links of which one takes very long: it is asked for alone, and its end is seen all the same."""
    it = bench(page_size=10, link_seconds=20.0, jitter=0.0)
    await it.submit(LINKING, [*(f"fil.{n}" for n in range(99)), "fil.slow0099"])
    rounds = await it.watch()
    asked = it.asked()["getDataLinkingBatchItems"]
    assert rounds > 6
    assert asked < 10 * rounds / 2
    assert it.ends() == it.truth()


async def test_hundreds_of_analyses_cost_a_request_or_two_a_round(bench):
    """Batches are tracked together: one search a round, one more where some ended, a few for single analyses."""
    it = bench(analysis_seconds=300.0, creation_seconds=2.0)
    for number in range(5):
        await it.submit(CREATION, [f"b{number}/s{seq}" for seq in range(100)])
    rounds = await it.watch()
    asked = it.asked()
    assert asked["getAnalysis"] <= 9
    assert asked["getAnalysisCreationBatchItems"] <= 2 * 5
    assert asked["searchAnalyses"] <= 2 * rounds
    assert asked["getJobs"] <= 3
    assert it.ends() == it.truth()


async def test_an_unknown_word_is_learnt_and_asked_for(bench):
    """Analyses in a word nobody knows vanish from the search once; from then on the search asks for the word."""
    it = bench(analysis_seconds=2000.0, jitter=0.0)
    await it.submit(CREATION, [f"s{seq}-odd" for seq in range(50)])
    rounds = await it.watch(rounds=500)
    assert it.memory["words"] == "HIBERNATING"
    asked = it.asked()
    assert asked["getAnalysis"] == 0
    assert asked["searchAnalyses"] <= rounds + 10
    assert it.ends() == it.truth()


async def test_a_word_remembered_is_asked_for_from_the_start(bench):
    """What was learned survives a restart."""
    it = bench(memory={"words": "HIBERNATING"}, analysis_seconds=200.0, jitter=0.0)
    await it.submit(CREATION, [f"s{seq}-odd" for seq in range(20)])
    await it.watch()
    assert all(told.name != "words" for told in it.learned)
    assert it.asked()["getAnalysis"] == 0


async def test_pages_that_move_are_learnt_to_be_live(bench):
    """One embedded word that changed after creation is proof, told once."""
    it = bench(strategy="items", analysis_seconds=300.0)
    await it.submit(CREATION, [f"s{seq}" for seq in range(5)])
    await it.watch()
    assert [told.value for told in it.learned if told.name == "embedded"] == ["live"]


async def test_live_pages_need_no_search(bench):
    """With strategy `items` and live pages, the items' pages are all that is read."""
    it = bench(strategy="items", memory={"embedded": "live"}, analysis_seconds=60.0)
    await it.submit(CREATION, [f"s{seq}" for seq in range(20)])
    await it.watch()
    assert it.asked()["searchAnalyses"] == 0
    assert it.ends() == it.truth()


async def test_pages_that_never_move_are_learnt_to_be_snapshots(bench):
    """With strategy `items` and frozen pages, the search takes over by itself, and the pages are given up."""
    it = bench(strategy="items", embedded="snapshot", analysis_seconds=600.0)
    await it.submit(CREATION, [f"s{seq}-slow" if seq < 5 else f"s{seq}" for seq in range(20)])
    await it.watch(rounds=2000)
    assert [told.value for told in it.learned if told.name == "embedded"] == ["snapshot"]
    assert it.ends() == it.truth()


@pytest.mark.parametrize("embedded", ["live", "snapshot", "lagging"])
async def test_pages_and_searches_do_not_turn_each_others_words(bench, embedded):
    """While a batch is half created both tell of its analyses; each word is written once all the same."""
    it = bench(embedded=embedded, analysis_seconds=900.0, creation_seconds=300.0, jitter=0.9)
    await it.submit(CREATION, [f"s{seq}" for seq in range(20)])
    await it.watch(rounds=600)
    assert max(it.changes.values()) <= 9
    assert it.ends() == it.truth()


async def test_an_expired_cursor_begins_the_sweep_anew(bench):
    """A page token that ICA no longer knows costs the pages read so far, not the sweep."""
    it = bench(page_size=10, cursor_seconds=600.0)
    await it.submit(CREATION, [f"s{seq}" for seq in range(30)])
    (poll,) = [poll for poll in it.ica.polls(list(it.batches.values())) if poll.route == "creation_items"]
    first = await it.ica.poll(poll)
    await it.clock.advance(601)
    forgotten = await it.ica.poll(first.next)
    assert forgotten.restarted
    assert forgotten.next.cursor is None
    await it.watch()
    assert it.ends() == it.truth()


async def test_an_item_that_its_batch_never_lists_is_found_by_its_tag(bench):
    """A page that hides an item does not hide its analysis."""
    it = bench()
    await it.submit(CREATION, ["s1", "s2-never", "s3"])
    await it.watch()
    assert it.ends() == it.truth()


async def test_the_analyses_of_others_are_not_ours(bench):
    """Another instance's analyses with tags that begin as ours do are left alone."""
    it = bench(tag_filter="prefix", analysis_seconds=300.0)
    await it.submit(CREATION, ["s1"])
    theirs = it.plan(CREATION, ["theirs"], job="theirs")
    body = theirs.submission.body.replace(b"orc-instance=bench", b"orc-instance=bench2")
    await it.ica.submit(replace(theirs, submission=replace(theirs.submission, body=body)))
    del it.batches[theirs.key]
    del it.items["theirs", 1]
    await it.watch()
    assert it.unknown_objects == []
    assert it.ends() == {"s1": "SUCCEEDED"}


async def test_an_analysis_of_ours_that_no_row_knows_is_told(bench):
    """A batch of ours that the database lost shows up under its own key."""
    it = bench(analysis_seconds=300.0)
    lost = await it.submit(CREATION, ["lost"], job="lost")
    await it.submit(CREATION, ["s1"])
    del it.batches[lost.key]
    await it.watch()
    assert {unknown_object.batch for unknown_object in it.unknown_objects} == {lost.key}


async def test_a_batch_without_a_known_id_is_tracked_by_its_tag(bench):
    """Found by its analyses alone, it still ends, without a word of its own."""
    it = bench()
    batch = await it.submit(CREATION, ["s1", "s2-fail"])
    it.track(batch, None)
    await it.watch()
    assert it.ends() == it.truth()
    assert it.batches[batch.key].status is None
