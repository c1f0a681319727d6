"""The token: fetched once, for all, renewed in time, never shown."""

import anyio
import pytest

from orchestrator.domain.errors import Throttled, Transient, Unauthorised
from orchestrator.platforms.ica.protocol.requests import analysis
from orchestrator.platforms.ica.protocol.session import Session

CALL = analysis("p", "a")


@pytest.fixture
def session(script, clock):
    return Session(script, "the-key", clock)


def bearers(script):
    return [call.headers["Authorization"] for call in script.calls if call.route != "tokens"]


def fetches(script):
    return [call for call in script.calls if call.route == "tokens"]


async def test_one_token_serves_many_calls(session, script):
    """The key is sent once; calls carry the token made from it."""
    script.say("analyses/get", {})
    for _ in range(3):
        await session.send(CALL)
    (fetch,) = fetches(script)
    assert fetch.headers["X-API-Key"] == "the-key"
    assert fetch.headers["Accept"] == "application/vnd.illumina.v3+json"
    assert len(set(bearers(script))) == 1
    assert all("X-API-Key" not in call.headers for call in script.calls if call.route != "tokens")


async def test_a_token_is_renewed_before_it_ends(session, script, clock):
    """An hour's token lasts 55 minutes, measured on our own clock, wherever ICA's clock stands."""
    script.say("analyses/get", {})
    await session.send(CALL)
    clock.step_wall(-86_400)
    await clock.advance(3299)
    await session.send(CALL)
    assert len(fetches(script)) == 1
    await clock.advance(2)
    await session.send(CALL)
    assert len(fetches(script)) == 2


async def test_a_short_token_is_used_for_most_of_its_life(session, script, clock, token):
    """The margin never eats a token that lives for a minute."""
    script.lines["tokens"] = [token(sub="u", iat=0, exp=60)]
    script.say("analyses/get", {})
    await session.send(CALL)
    await clock.advance(47)
    await session.send(CALL)
    assert len(fetches(script)) == 1


@pytest.mark.parametrize("answer", [{"token": "opaque"}, {"token": "a.!!.c"}, {"token": "a.W10.c"}])
async def test_a_token_that_cannot_be_read_is_used_for_a_while(session, script, clock, answer):
    """Nobody promised that the token is a JWT."""
    script.lines["tokens"] = [answer]
    script.say("analyses/get", {})
    await session.send(CALL)
    await clock.advance(400)
    await session.send(CALL)
    assert len(fetches(script)) == 1
    await clock.advance(200)
    await session.send(CALL)
    assert len(fetches(script)) == 2


async def test_a_token_that_ended_before_it_began_is_not_fetched_for_each_call(session, script, token):
    """Nonsense times count as untold."""
    script.lines["tokens"] = [token(iat=5000, exp=10)]
    script.say("analyses/get", {})
    await session.send(CALL)
    await session.send(CALL)
    assert len(fetches(script)) == 1


async def test_all_who_wait_share_one_fetch(session, script, clock):
    """Ten calls at once cost one token."""
    await hold(script, clock)
    script.say("analyses/get", {})
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(session.send, CALL)
        await clock.advance(2)
    assert len(fetches(script)) == 1
    assert len(bearers(script)) == 10


async def test_all_who_wait_share_its_failure(session, script, clock):
    """A refused fetch is told to everyone who waited for it, and the next call asks again."""
    await hold(script, clock)
    script.lines["tokens"] = [Throttled("wait", retry_after=7.0)]
    failures = []

    async def ask():
        try:
            await session.send(CALL)
        except Throttled as error:
            failures.append(error.retry_after)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask)
        await clock.advance(2)
    assert failures == [7.0] * 5
    assert len(fetches(script)) == 1
    await ask_again(ask, clock)
    assert len(fetches(script)) == 2


async def test_a_cancelled_waiter_leaves_the_token_to_the_others(session, script, clock):
    """When the one who fetches is cancelled, the next one fetches; nobody else notices."""
    await hold(script, clock)
    script.say("analyses/get", {})
    answered = []

    async def ask():
        answered.append(await session.send(CALL))

    async with anyio.create_task_group() as group:
        first = anyio.CancelScope()

        async def cancelled():
            with first:
                await ask()

        group.start_soon(cancelled)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ask)
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await clock.advance(5)
    assert len(answered) == 2


async def test_a_refused_token_is_renewed_once(session, script, token):
    """401 on a call: a new token, and the call again."""
    script.lines["tokens"] = [token(sub="u", jti=1), token(sub="u", jti=2)]
    script.say("analyses/get", Unauthorised("no", status=401), {})
    await session.send(CALL)
    assert len(fetches(script)) == 2
    assert len(set(bearers(script))) == 2


async def test_a_new_token_that_is_refused_too_is_the_end(session, script):
    """A credential that is not accepted is told, after exactly one renewal."""
    script.say("analyses/get", Unauthorised("no", status=401))
    with pytest.raises(Unauthorised):
        await session.send(CALL)
    assert script.routes() == ["analyses/get", "analyses/get"]
    assert len(fetches(script)) == 2


async def test_the_user_is_who_the_token_says(session):
    """The subject of the token names the user."""
    assert await session.user() == "user-1"


async def test_without_a_name_the_key_stands_for_the_user(script, clock, token):
    """A digest tells two keys apart without telling either."""
    script.lines["tokens"] = [token(exp=3600)]
    users = {await Session(script, key, clock).user() for key in ("one", "two")}
    assert len(users) == 2
    assert not any("one" in user or "two" in user for user in users)


async def test_a_rotated_key_is_read_for_each_token(script, clock):
    """The key may come from a file that changes under us."""
    keys = iter(["old", "new"])
    session = Session(script, lambda: next(keys), clock)
    script.say("analyses/get", {})
    await session.send(CALL)
    await clock.advance(4000)
    await session.send(CALL)
    assert [call.headers["X-API-Key"] for call in fetches(script)] == ["old", "new"]


async def test_an_unreadable_token_answer_is_transient_and_shows_no_secret(session, script):
    """Half an answer in place of a token is asked for again; neither key nor token is in what people read."""
    script.lines["tokens"] = [b'{"token": ']
    with pytest.raises(Transient) as failure:
        await session.send(CALL)
    assert "the-key" not in f"{failure.value!r}{session!r}{vars(session)['_held']!r}"


async def ask_again(ask, clock):
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await clock.advance(2)


async def hold(script, clock):
    """Make each request take a second, so that others come while it is under way."""
    send = script.send

    async def slow(call):
        await clock.sleep(1)
        return await send(call)

    script.send = slow
