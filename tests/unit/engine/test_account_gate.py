"""How long an account is closed after each rejection in a row."""

import pytest

from orchestrator.clock import ManualClock
from orchestrator.domain.errors import SharedUser, Unauthorised, WrongAddress
from orchestrator.engine.account_gate import MAX_CLOSED, AccountGate
from orchestrator.telemetry.bus import Bus

MAX_DELAY = 300.0


@pytest.mark.parametrize(
    ("rejection", "longest"), [(WrongAddress, MAX_CLOSED), (SharedUser, MAX_CLOSED), (Unauthorised, MAX_DELAY)]
)
async def test_an_account_may_be_rejected_for_weeks(rejection, longest):
    """The pauses grow up to a maximum, and stay there however many rejections follow."""
    clock = ManualClock()
    gate = AccountGate("ica", max_delay=MAX_DELAY, clock=clock, bus=Bus(), retry_delays=float)
    pauses = []
    for _ in range(2000):
        gate.close(rejection("rejected"))
        pauses.append(gate.closed_for)
        await clock.advance(gate.closed_for)
    assert pauses[0] < pauses[1] < pauses[2]
    assert set(pauses[400:]) == {longest}


async def test_a_success_opens_the_account_at_once():
    """Of two steps that were sent together one may be rejected and the other accepted: nothing waits after that."""
    clock = ManualClock()
    gate = AccountGate("ica", max_delay=MAX_DELAY, clock=clock, bus=Bus(), retry_delays=float)
    for _ in range(20):
        gate.close(SharedUser("rejected"))
        await clock.advance(gate.closed_for)
    gate.close(SharedUser("rejected"))
    assert gate.closed_for == MAX_CLOSED
    assert gate.open()
    assert (gate.closed_for <= 0, gate.refused, gate.reason) == (True, False, None)
