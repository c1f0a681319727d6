"""An account that cannot be used says what to change, sends nothing, and is asked ever more rarely."""

from orchestrator.engine.account_gate import Cause
from orchestrator.engine.shared_users import Users
from orchestrator.simulator import FaultKind
from orchestrator.telemetry.events import CredentialRejected

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(6)]
URL = "http://ica/ica/rest"


async def test_a_wrong_address_closes_the_account_and_nothing_is_sent(world):
    """A day of it costs few requests; when the platform answers there, all goes out once."""
    it = await world()
    it.fault(FaultKind.ERROR, "createJwtToken", status=404, html=True)
    await it.submit("run", KEYS)
    await it.run_for(DAY)
    assert it.dispatch.closed_because is Cause.ADDRESS
    assert "this is not the API of ICA" in (it.dispatch.refusal or "")
    assert it.dispatch.failing_for > 0.9 * DAY
    assert it.calls("createJwtToken") < 120
    assert (await it.batch()).sends == 0
    assert it.published(CredentialRejected)[0].reason == it.dispatch.refusal
    it.simulator.faults.clear()
    await it.until_settled("run")
    assert it.created() == dict.fromkeys(KEYS, 1)
    assert (it.dispatch.closed_because, it.dispatch.refusal, it.dispatch.failing_for) == (None, None, 0)


async def test_an_account_of_a_user_that_another_account_has_is_closed(world):
    """The message names the other; with the key of another user it opens by itself."""
    it = await world()
    users = Users({"other": URL, "ica": URL})
    users.check("other", await it.platform.user())
    it.dispatch._steps._users = users
    await it.submit("run", KEYS)
    await it.run_for(HOUR)
    assert it.dispatch.closed_because is Cause.USER
    assert "account other" in (it.dispatch.refusal or "")
    assert it.calls(it.create) == 0
    users.check("other", "somebody else")
    await it.until_settled("run")
    assert it.created() == dict.fromkeys(KEYS, 1)
