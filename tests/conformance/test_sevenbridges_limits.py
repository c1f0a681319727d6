"""The rate limit, maintenance and errors, as sevenbridges-python 2.11.2 sees them."""

import pytest
from sevenbridges.errors import ServiceUnavailable, TooManyRequests, Unauthorized
from sevenbridges.http.error_handlers import maintenance_sleeper, rate_limit_sleeper

from orchestrator.simulator import Fault, FaultKind


async def test_the_rate_limit_can_be_asked_for_free(seven_bridges):
    """As often as one likes; the headers of other answers say the same."""
    async with seven_bridges(requests=10) as it:
        user = await it.call(it.api.users.me)
        limits = [(await it.call(it.api.rate_limit.get)).field("rate") for _ in range(3)]
        assert [(limit["limit"], limit["remaining"]) for limit in limits] == [(10, 9)] * 3
        assert limits[0]["reset"] == round(it.clock.now() / 1_000_000) + 300
        assert user.username == "user-1"


async def test_the_rate_limit_sleeper_waits_for_the_reset(seven_bridges, virtual_time):
    """It sleeps until the window ends and sends again: two windows, no request lost."""
    async with seven_bridges(requests=3) as it:
        time, api = virtual_time(it.clock), it.connect(rate_limit_sleeper)
        for _ in range(5):
            await it.call(api.users.me)
        assert time.slept == [300]
        assert it.simulator.ledger.answers == {("get_user", 200): 5, ("get_user", 429): 1}
        usage = it.simulator.budget.usage["user-1"]
        assert (usage.requests, usage.refused) == (6, 1)


async def test_without_the_sleeper_too_many_requests_are_an_error(seven_bridges):
    """429 with code 1000; what was refused had no effect."""
    async with seven_bridges(requests=1) as it:
        await it.call(it.api.users.me)
        with pytest.raises(TooManyRequests) as refused:
            await it.call(it.api.tasks.create, name="s1", project=it.project, app=it.app, inputs={})
        assert (refused.value.code, it.simulator.truth.made()) == (1000, {})


async def test_the_maintenance_sleeper_waits_for_the_end_of_maintenance(seven_bridges, virtual_time):
    """It asks every five minutes while 503 has the code 0."""
    fault = Fault(kind=FaultKind.QUIRK, quirk="maintenance", lasts=700.0)
    async with seven_bridges(fault) as it:
        time, api = virtual_time(it.clock), it.connect(maintenance_sleeper)
        task = await it.call(api.tasks.create, name="s1", project=it.project, app=it.app, inputs={})
        assert (task.status, time.slept) == ("DRAFT", [300, 300, 300])
        assert it.simulator.truth.made() == {("draft", "s1"): 1}


async def test_a_service_that_is_down_is_no_maintenance(seven_bridges, virtual_time):
    """503 with another code: the sleeper does not wait, the client raises."""
    async with seven_bridges(Fault(kind=FaultKind.ERROR, status=503)) as it:
        time, api = virtual_time(it.clock), it.connect(maintenance_sleeper)
        with pytest.raises(ServiceUnavailable) as down:
            await it.call(api.users.me)
        assert (down.value.code, time.slept) == (7000, [])


async def test_a_wrong_token_is_refused(seven_bridges):
    """401, and nothing of the budget of others is used up."""
    async with seven_bridges() as it:
        it.api.token = it.api._token = "wrong"
        it.api.headers["X-SBG-Auth-Token"] = "wrong"
        it.api.session.headers["X-SBG-Auth-Token"] = "wrong"
        with pytest.raises(Unauthorized):
            await it.call(it.api.users.me)
        assert list(it.simulator.budget.usage) == ["anonymous"]
