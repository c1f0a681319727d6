"""The idempotency key of analysisCreationBatch, as ICA documents it."""

import anyio
import pytest

from orchestrator.simulator import Fault, FaultKind

_DAY = 86_400.0


async def test_the_same_key_and_body_replay_the_stored_answer(ica):
    """A second POST with the same key and bytes answers with the same batch and creates nothing."""
    first, second = await ica.create("a", "b", key="k"), await ica.create("a", "b", key="k")
    assert (first.status_code, second.content) == (201, first.content)
    assert len(ica.simulator.ledger.effects("analysis")) == 2


async def test_another_key_or_none_creates_again(ica):
    """Only the key makes a POST idempotent: without it, or with another, everything is created anew."""
    ids = {(await ica.create("a", key=key)).json()["id"] for key in ("k1", "k2", None, None)}
    assert len(ids) == 4
    assert ica.simulator.truth.duplicates() == {(ica.project, "a"): 4}


async def test_the_same_key_with_another_body_is_unprocessable(ica):
    """422, and nothing is created."""
    await ica.create("a", key="k")
    answer = await ica.create("b", key="k")
    assert (answer.status_code, len(ica.simulator.truth.analyses())) == (422, 1)


@pytest.mark.parametrize("key", ["x" * 256, ""])
async def test_a_key_of_wrong_length_is_refused(ica, key):
    """More than 255 characters, or none, is 400; 255 are fine."""
    assert (await ica.create("a", key=key)).status_code == 400
    assert (await ica.create("a", key="x" * 255)).status_code == 201


async def test_a_refusal_is_not_stored(ica):
    """After a 4xx the same key may carry another body."""
    assert (await ica.create("a.bad", key="k")).status_code == 400
    assert (await ica.create("a", key="k")).status_code == 201


async def test_an_answer_is_kept_for_seven_days(ica):
    """Just before seven days the answer is replayed; after them the same POST creates again."""
    first = (await ica.create("a", key="k")).json()["id"]
    await ica.clock.advance(7 * _DAY - 1)
    assert (await ica.create("a", key="k")).json()["id"] == first
    await ica.clock.advance(2)
    assert (await ica.create("a", key="k")).json()["id"] != first


async def test_a_key_belongs_to_its_user(make_ica):
    """The same key and body from another user create again."""
    ica = make_ica(Fault(kind=FaultKind.QUIRK, quirk="other_user", operation="createAnalysis*", nth=2))
    first, second = await ica.create("a", key="k"), await ica.create("a", key="k")
    assert first.json()["id"] != second.json()["id"]


async def test_a_platform_error_after_the_effect_leaves_nothing_stored(make_ica):
    """The batch exists, the client got a 500, and the same key creates a second one: the case to be reconciled."""
    ica = make_ica(Fault(kind=FaultKind.ERROR_AFTER, operation="createAnalysis*", nth=1))
    statuses = [(await ica.create("a", key="k")).status_code for _ in range(2)]
    assert statuses == [500, 201]
    assert ica.simulator.truth.duplicates() == {(ica.project, "a"): 2}


async def test_an_error_on_a_replay_does_not_drop_what_was_stored(make_ica):
    """Only the call that made the answer can lose it."""
    ica = make_ica(Fault(kind=FaultKind.ERROR_AFTER, operation="createAnalysis*", nth=2))
    answers = [await ica.create("a", key="k") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 500, 201]
    assert answers[2].content == answers[0].content


async def test_a_reset_after_the_effect_keeps_the_answer(make_ica):
    """The platform had finished, only the network failed: the same key replays."""
    ica = make_ica(Fault(kind=FaultKind.RESET_AFTER, operation="createAnalysis*", nth=1))
    with pytest.raises(ConnectionResetError):
        await ica.create("a", key="k")
    assert (await ica.create("a", key="k")).status_code == 201
    assert ica.simulator.truth.duplicates() == {}


async def test_a_call_that_still_runs_answers_conflict(make_ica):
    """409 while the first call is slow, the stored answer once it is done."""
    ica = make_ica(Fault(kind=FaultKind.SLOW, operation="createAnalysis*", nth=1, seconds=30))
    answers = {}

    async def slow():
        answers["first"] = await ica.create("a", key="k")

    async with anyio.create_task_group() as calls:
        calls.start_soon(slow)
        await anyio.wait_all_tasks_blocked()
        answers["during"] = await ica.create("a", key="k")
        await ica.clock.advance(31)
    answers["after"] = await ica.create("a", key="k")
    assert [answers[name].status_code for name in ("first", "during", "after")] == [201, 409, 201]
    assert answers["after"].content == answers["first"].content
    assert answers["during"].headers["content-type"] == "application/problem+json"


async def test_a_linking_batch_knows_no_key(ica):
    """A data linking batch ignores Idempotency-Key: each POST is a batch of its own."""
    ica.client.headers["Idempotency-Key"] = "k"
    assert (await ica.link("fil.1")).json()["id"] != (await ica.link("fil.1")).json()["id"]
