"""Sending batches, finding out what became of them, stopping what they created."""

import json
from dataclasses import replace

import pytest
from stages import Stage

from orchestrator.domain.errors import KeyConflict, Refused, Throttled, Unauthorised, Unconfirmed
from orchestrator.domain.submission import Resend
from orchestrator.simulator import Fault, FaultKind

CREATION, LINKING = "ica.analysis_creation", "ica.data_linking"
CREATE, LINK = "createAnalysisCreationBatch", "createProjectDataLinkingBatch"


async def test_a_batch_is_created_with_its_job(bench):
    """The answer names the batch and the word of its job."""
    it = bench()
    created = await it.ica.submit(it.plan(CREATION, ["s1", "s2"]))
    assert created.remote_id
    assert (created.status, created.final) == ("INITIALIZED", False)
    linked = await it.ica.submit(it.plan(LINKING, ["fil.1"], job="links"))
    assert linked.remote_id not in (None, created.remote_id)


async def test_a_batch_without_a_job_is_created_all_the_same(bench):
    """`job: null` leaves the word open."""
    it = bench(job_null=True)
    created = await it.ica.submit(it.plan(CREATION, ["s1"]))
    assert created.remote_id
    assert (created.status, created.final) == (None, False)


async def test_the_same_submission_sent_twice_is_one_batch(bench):
    """The key makes ICA replay its answer."""
    it = bench()
    batch = it.plan(CREATION, ["s1"])
    assert await it.ica.submit(batch) == await it.ica.submit(batch)
    assert it.simulator.truth.duplicates() == {}


@pytest.mark.parametrize(
    "kind", [FaultKind.RESET_AFTER, FaultKind.WRONG_MEDIA, FaultKind.MALFORMED, FaultKind.ERROR_AFTER], ids=str
)
async def test_an_answer_that_cannot_be_read_leaves_the_outcome_open(bench, kind):
    """Whatever is lost after the effect is unconfirmed, never refused and never a success."""
    it = bench(faults=[Fault(kind=kind, operation=CREATE, status=500, count=1)])
    with pytest.raises(Unconfirmed) as loss:
        await it.ica.submit(it.plan(CREATION, ["s1"]))
    assert loss.value.by_platform is (kind is FaultKind.ERROR_AFTER)


async def test_a_refused_item_refuses_the_batch(bench):
    """A 400 had no effect, and says why."""
    it = bench(bad_item="refuse_post")
    with pytest.raises(Refused) as refusal:
        await it.ica.submit(it.plan(CREATION, ["s1", "s2-bad"]))
    assert refusal.value.status == 400
    assert refusal.value.detail
    assert it.simulator.ledger.effects("analysis") == []


async def test_another_request_under_our_key_must_be_found_out(bench):
    """A 422 means that something was created under the key: it may neither be split nor sent again."""
    it = bench()
    batch = it.plan(CREATION, ["s1", "s2"])
    await it.ica.submit(batch)
    changed = replace(batch.submission, body=batch.submission.body.replace(b'"s1"', b'"s9"'))
    with pytest.raises(KeyConflict, match=str(batch.key)) as loss:
        await it.ica.submit(replace(batch, submission=changed))
    assert loss.value.status == 422
    assert loss.value.by_platform


async def test_a_throttled_token_passes_as_throttled(bench):
    """A 429 on the token is the account's, not the batch's."""
    fault = Fault(kind=FaultKind.ERROR, operation="createJwtToken", status=429, retry_after=9, count=1)
    it = bench(faults=[fault])
    with pytest.raises(Throttled) as refusal:
        await it.ica.user()
    assert refusal.value.retry_after == 9


async def test_a_wrong_key_is_told(bench):
    """The credential's refusal names no secret."""
    it = bench(api_key="wrong-key")
    with pytest.raises(Unauthorised) as refusal:
        await it.ica.user()
    assert "wrong-key" not in f"{refusal.value!r}{it.ica!r}"


async def test_an_expired_token_does_not_show(bench):
    """A token that ICA dropped early is renewed within the call."""
    it = bench(faults=[Fault(kind=FaultKind.ERROR, operation=CREATE, status=401, nth=1)])
    assert (await it.ica.submit(it.plan(CREATION, ["s1"]))).remote_id
    assert it.asked()["createJwtToken"] == 2


async def test_the_user_is_the_same_for_every_token(bench):
    """Who we are does not change with the token."""
    it = bench(token_seconds=60.0)
    first = await it.ica.user()
    await it.clock.advance(120)
    assert await it.ica.user() == first
    assert it.asked()["createJwtToken"] == 2


def test_what_sending_again_would_do(bench):
    """Analyses are kept apart by their key; links do not add up."""
    it = bench()
    rules = {kind: it.plan(kind, ["s1"]).submission.resend for kind in (CREATION, LINKING)}
    assert rules == {CREATION: Resend.SAME_KEY, LINKING: Resend.HARMLESS}


# ---------------------------------------------------------------- finding


@pytest.mark.parametrize(
    "knobs", [{}, {"tag_filter": "prefix"}, {"null_lists": True}, {"page_order": "shuffled"}], ids=str
)
@pytest.mark.parametrize("waited", [0.0, 1.0, 600.0])
async def test_a_lost_batch_is_found_with_all_its_items(bench, knobs, waited):
    """Before, while and after its analyses are created, a batch whose answer was lost is found, item by item."""
    fault = Fault(kind=FaultKind.RESET_AFTER, operation=CREATE, nth=4)
    it = bench(faults=[fault], page_size=3, **knobs)
    for number in range(3):
        await it.submit(CREATION, [f"b{number}/s1", f"b{number}/s2"], job="others")
    lost = it.plan(CREATION, ["s1", "s2-fail", "s3-nocreate", "s4", "s5"])
    with pytest.raises(Unconfirmed):
        await it.ica.submit(lost)
    await it.submit(CREATION, ["later/s1"], job="others")
    await it.clock.advance(waited)
    found = await it.ica.reconcile(lost)
    assert sorted(told.seq for told in found.items) == [1, 2, 3, 4, 5]
    assert {told.batch for told in found.items} == {lost.key}
    it.track(lost, found.remote_id)
    await it.watch()
    assert it.ends() == it.truth() | {"s3-nocreate": "FAILED"}


async def test_a_batch_that_never_arrived_is_not_found(bench):
    """Nothing of ours is nothing found, however much of others there is."""
    it = bench(faults=[Fault(kind=FaultKind.RESET, operation=CREATE, nth=3)])
    await it.submit(CREATION, ["b1/s1"], job="others")
    await it.submit(LINKING, ["fil.1"], job="links")
    await it.submit(CREATION, ["b2/s1"], job="others")
    lost = it.plan(CREATION, ["s1"])
    with pytest.raises(Unconfirmed):
        await it.ica.submit(lost)
    await it.clock.advance(60)
    found = await it.ica.reconcile(lost)
    assert found.remote_id is None
    assert list(found.items) == []


async def test_known_batches_are_not_looked_into_again(bench):
    """What is known to be another batch costs no request when one is sought."""
    it = bench()
    for number in range(20):
        await it.submit(CREATION, [f"b{number}"], job="others")
    lost = it.plan(CREATION, ["s1"])
    await it.ica.submit(lost)
    before = it.asked()
    await it.ica.reconcile(lost)
    asked = it.asked() - before
    assert asked["getAnalysisCreationBatchItems"] == 2
    assert asked["getJobs"] == 1


async def test_a_forgetful_account_finds_its_batch_by_the_tags(bench):
    """After a restart nothing is known of other batches: each candidate is looked into, the nearest in time first."""
    it = bench()
    for number in range(5):
        await it.submit(CREATION, [f"b{number}"], job="others")
    lost = it.plan(CREATION, ["s1"])
    created = await it.ica.submit(lost)
    found = await bench_again(it).reconcile(lost)
    assert found.remote_id == created.remote_id


@pytest.mark.parametrize("page_size", [2, 1000])
async def test_a_lost_batch_of_links_is_found_by_its_data(bench, page_size):
    """Links carry no tags; the batch is the one that links exactly these data."""
    it = bench(page_size=page_size, faults=[Fault(kind=FaultKind.RESET_AFTER, operation=LINK, nth=3)])
    await it.submit(LINKING, ["fil.1", "fil.2"], job="others")
    await it.submit(LINKING, ["fil.1", "fil.2", "fil.3", "fil.4"], job="others")
    lost = it.plan(LINKING, ["fil.1", "fil.2", "fil.3"])
    with pytest.raises(Unconfirmed):
        await it.ica.submit(lost)
    await it.submit(CREATION, ["s1"], job="analyses")
    found = await it.ica.reconcile(lost)
    assert sorted(told.key for told in found.items) == ["fil.1", "fil.2", "fil.3"]
    assert {told.stage for told in found.items} == {Stage.LINK}


# ---------------------------------------------------------------- stopping


async def test_an_analysis_is_stopped(bench):
    """The abort is asked once; the looks tell when it has happened."""
    it = bench(analysis_seconds=600.0)
    batch = await it.submit(CREATION, ["s1", "s2"])
    await it.clock.advance(60)
    for poll in it.ica.polls([batch]):
        await it.sweep(poll)
    await it.ica.abort(batch, it.items["run", 1])
    await it.watch()
    assert it.ends() == {"s1": "ABORTED", "s2": "SUCCEEDED"}


async def test_what_has_ended_is_not_stopped(bench):
    """ICA's refusal is told as one."""
    it = bench()
    batch = await it.submit(CREATION, ["s1"])
    await it.watch()
    with pytest.raises(Refused):
        await it.ica.abort(batch, it.items["run", 1])


async def test_an_item_without_an_analysis_cannot_be_stopped(bench):
    """A link, or a creation still under way, costs no request."""
    it = bench()
    batch = await it.submit(LINKING, ["fil.1"])
    with pytest.raises(Refused, match=r"fil\.1"):
        await it.ica.abort(batch, it.items["run", 1])
    assert it.asked()["abortAnalysis"] == 0


# ---------------------------------------------------------------- faults


async def test_trouble_on_the_way_changes_no_status(bench, in_time):
    """Resets, gateways' pages, broken JSON and lost rows cost requests, and not one outcome."""
    rules = [
        Fault(kind=FaultKind.RESET, operation="search*", probability=0.1),
        Fault(kind=FaultKind.ERROR, operation="get*", probability=0.1, status=503, html=True),
        Fault(kind=FaultKind.QUIRK, quirk="item_vanishes", operation="*", probability=0.2),
        Fault(kind=FaultKind.QUIRK, quirk="item_twice", operation="*", probability=0.2),
    ]
    it = bench(faults=rules, page_size=4)
    await it.submit(CREATION, [f"s{seq}" if seq % 3 else f"s{seq}-fail" for seq in range(20)])
    await it.submit(LINKING, [f"fil.{seq}" for seq in range(9)], job="links")
    await in_time(it, it.watch())
    assert it.ends() == it.truth()
    assert it.contradictions == []


async def test_what_is_sent_has_ica_s_own_shape(bench):
    """The body that leaves is the submission's, byte for byte."""
    it = bench()
    batch = it.plan(CREATION, ["s1"])
    assert json.loads(batch.submission.body)["nextflowItems"][0]["userReference"] == "s1"
    await it.ica.submit(batch)
    (effect,) = await created_effects(it)
    assert effect.key == batch.key
    assert set(effect.tags) == {"orc-instance=bench", f"orc-batch={batch.key}", "orc-item=1"}


async def created_effects(it):
    await it.clock.advance(30)
    return it.simulator.ledger.effects("analysis")


def bench_again(it):
    """The same account after a restart."""
    return type(it.ica)(
        remote=it.ica._remote,
        api_key="simulator",
        account="ica",
        instance="bench",
        page_size=1000,
        strategy="auto",
        memory={},
        clock=it.clock,
    )
