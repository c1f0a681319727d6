"""`doctor` compares the budget of an account with the limit that the platform states."""

import json

import anyio.to_thread
from checkup import KEY, about, examine

from orchestrator.simulator import Fault, FaultKind, serve
from orchestrator.simulator.sevenbridges import Config, Knobs, Simulator


async def examined(desk, simulator, **account):
    """What is found about the account, whose keys these are."""
    async with serve(simulator) as base_url:
        keys = {"platform": "sevenbridges", "base_url": base_url, "api_key_file": "key", **account}
        desk.config.write_text(json.dumps(json.loads(desk.config.read_text()) | {"accounts": {"sb": keys}}))
        code, found = await anyio.to_thread.run_sync(examine, desk)
    return code, about(found, "account")[0]


async def test_a_budget_above_the_limit_of_the_platform_is_a_warning(desk):
    """The platform would refuse requests; the question costs none of the budget."""
    simulator = Simulator(Config(tokens=(KEY,), knobs=Knobs(requests=500)))
    _, account = await examined(desk, simulator)
    assert account["result"] == "warning"
    assert "the platform takes 500 requests in 5m from this user" in account["found"]
    assert simulator.budget.usage["user-1"].requests == 1


async def test_a_budget_within_the_limit_is_right(desk):
    """A smaller one too: others may use the same token."""
    simulator = Simulator(Config(tokens=(KEY,)))
    _, account = await examined(desk, simulator, budget={"requests": 500, "per": "300s"})
    assert (account["result"], "1 of 500 requests" in account["found"]) == ("ok", True)


async def test_a_limit_that_cannot_be_read_is_reported(desk):
    """The credential is right all the same."""
    fault = Fault(kind=FaultKind.ERROR, operation="get_rate_limit", status=403)
    _, account = await examined(desk, Simulator(Config(tokens=(KEY,), faults=(fault,))))
    assert account["result"] == "warning"
    assert "request limit could not be read" in account["found"]
