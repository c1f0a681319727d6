"""Whose turn it is, and when: lanes, floors, pacing, and room for others."""

import math
from collections import Counter
from itertools import pairwise

import pytest

from orchestrator.platforms.rate_limit.limiter import URGENT, Lane, Limit
from orchestrator.platforms.rate_limit.pacing import OtherClients, Schedule
from orchestrator.platforms.rate_limit.slots import MemorySlots, ThrottleState
from orchestrator.platforms.rate_limit.window import DRIFT, Window

START = 1_000.0


def schedule(requests, per=100.0, share=1.0):
    """A schedule with all slots free."""
    limit = Limit(requests, per, share)
    return Schedule(Window(limit, MemorySlots(), START), per)


def granted(schedule, now):
    """Everybody who may go at this time."""
    return list(iter(lambda: schedule.grant(now), None))


def answer(schedule, ticket, now):
    """The response to a request has come."""
    schedule.window.release(ticket.slot, now)


def run(schedule, until, lanes, *, trip=0.1):
    """Keep the lanes full and answer each request after its trip; returns who went, and when."""
    now, sent = START, []
    while now < until:
        for lane in lanes:
            while schedule.queue.waiting(lane) < 5:
                schedule.ask(lane, 0, now)
        ticket = schedule.grant(now)
        if ticket is None:
            later = schedule.next_time(now)
            assert later > now
            now = later
        else:
            sent.append((now, ticket.lane))
            schedule.window.release(ticket.slot, now + trip)
    return sent


@pytest.mark.parametrize(
    ("requests", "share", "slots"), [(1000, 1.0, 1000), (100, 0.57, 57), (10, 0.25, 2), (3, 0.1, 1)]
)
def test_a_share_of_the_limit_is_rounded_down(requests, share, slots):
    """`use_at_most` leaves room for people; one slot remains in any case."""
    assert Limit(requests, 60.0, share).slots == slots


@pytest.mark.parametrize("arguments", [(0, 60.0), (1, 0.0), (1, math.inf), (1, math.nan), (1, 1.0, 0.0), (1, 1.0, 1.1)])
def test_a_limit_that_makes_no_sense_is_refused(arguments):
    """No requests, no window, no share: mistakes of ours."""
    with pytest.raises(ValueError, match=r"a budget needs|a share"):
        Limit(*arguments)


def test_a_slot_comes_back_one_window_after_the_response():
    """Neither earlier, nor counted from the send; the window is stretched by what clocks may be off."""
    paced = schedule(1, per=10.0)
    first, second = (paced.ask(Lane.POLL, 0, START) for _ in range(2))
    assert granted(paced, START) == [first]
    assert paced.next_time(START) == math.inf
    answer(paced, first, START + 3)
    back = START + 3 + 10.0 * (1 + DRIFT)
    assert paced.next_time(START + 3) == back
    assert granted(paced, math.nextafter(back, 0)) == []
    assert granted(paced, back) == [second]


def test_what_fits_goes_at_once():
    """A burst that fits into what is left is not spread."""
    paced = schedule(100)
    for _ in range(90):
        paced.ask(Lane.POLL, 0, START)
    assert len(granted(paced, START)) == 90
    assert not paced.paced(START)


def test_a_declared_backlog_that_does_not_fit_is_spread_over_the_window():
    """100 slots in 100 s and a larger backlog: one request a second, though few wait at a time."""
    paced = schedule(100)
    paced.declare(Lane.POLL, 500, START)
    times = [at for at, _ in run(paced, START + 90, [Lane.POLL])]
    gaps = [later - earlier for earlier, later in pairwise(times[1:])]
    assert min(gaps) == pytest.approx(1.0, rel=0.05)
    assert max(gaps) == pytest.approx(1.0, rel=0.05)


def test_waiting_requests_count_as_backlog_too():
    """Nobody declared anything, but more wait than there are slots: they are spread."""
    paced = schedule(100)
    for _ in range(150):
        paced.ask(Lane.POLL, 0, START)
    assert len(granted(paced, START)) < 5


def test_a_declaration_counts_down_and_ends():
    """Each grant takes one off, and after a window an old declaration no longer slows anybody."""
    paced = schedule(100)
    paced.declare(Lane.POLL, 3, START)
    paced.ask(Lane.POLL, 0, START)
    granted(paced, START)
    assert paced.declared(Lane.POLL, START) == 2
    paced.declare(Lane.POLL, 500, START)
    assert paced.paced(START + 99)
    assert not paced.paced(START + 101)


def test_equals_go_in_the_order_in_which_they_came():
    """Inside a priority it is first come, first served; a lower number goes first."""
    paced = schedule(2, per=10.0)
    busy = [paced.ask(Lane.SUBMIT, 0, START) for _ in range(2)]
    granted(paced, START)
    waiting = [paced.ask(Lane.SUBMIT, priority, START) for priority in (5, 1, 5, 1)]
    for ticket in busy:
        answer(paced, ticket, START)
    order = []
    now = START
    while len(order) < 4:
        now = paced.next_time(now)
        for ticket in granted(paced, now):
            order.append(ticket)
            answer(paced, ticket, now)
    assert order == [waiting[1], waiting[3], waiting[0], waiting[2]]


@pytest.mark.parametrize(
    ("sooner", "later"), [(Lane.CONTROL, Lane.SUBMIT), (Lane.CONTROL, Lane.POLL), (Lane.SUBMIT, Lane.POLL)]
)
def test_control_goes_before_submissions_and_these_before_looks(sooner, later):
    """Unless the other lane is owed its floor."""
    paced = schedule(1, per=10.0)
    busy = paced.ask(Lane.CONTROL, 0, START)
    granted(paced, START)
    paced.ask(later, 0, START)
    first = paced.ask(sooner, 0, START)
    answer(paced, busy, START)
    assert granted(paced, paced.next_time(START)) == [first]


def test_floors_hold_when_all_lanes_have_work():
    """Submissions keep 30 % and looks 50 %, even beside a flood of control requests."""
    paced = schedule(1000)
    counts = Counter(lane for _, lane in run(paced, START + 300, list(Lane)))
    assert counts[Lane.SUBMIT] >= 0.3 * counts.total() - 5
    assert counts[Lane.POLL] >= 0.5 * counts.total() - 5 - 1000 // 20
    assert counts[Lane.CONTROL] > 0


def test_a_lane_alone_gets_everything():
    """Floors bind only lanes that have work."""
    paced = schedule(1000)
    alone = run(paced, START + 100, [Lane.SUBMIT])
    assert len(alone) >= 0.98 * 1000


def test_urgent_requests_use_the_reserve_and_others_do_not():
    """The last slots are for control and urgent submissions."""
    paced = schedule(300)
    for _ in range(297):
        paced.ask(Lane.POLL, 0, START)
    assert len(granted(paced, START)) == 297
    paced.ask(Lane.POLL, 0, START)
    paced.ask(Lane.SUBMIT, 0, START)
    assert granted(paced, START) == []
    urgent = [paced.ask(Lane.CONTROL, 0, START), paced.ask(Lane.SUBMIT, URGENT, START)]
    assert granted(paced, START) == urgent


def test_an_urgent_request_takes_the_place_of_a_paced_one():
    """It goes at once and moves the schedule on, so the window does not run out early."""
    paced = schedule(100)
    paced.declare(Lane.POLL, 500, START)
    for _ in range(10):
        paced.ask(Lane.POLL, 0, START)
    granted(paced, START)
    before = paced.next_time(START)
    urgent = paced.ask(Lane.CONTROL, 0, START)
    assert granted(paced, START) == [urgent]
    assert paced.next_time(START) - before == pytest.approx(1.0, rel=0.1)


def test_a_burst_of_urgent_requests_does_not_put_the_others_off_for_long():
    """However many go out of turn, the schedule is moved by a few places only."""
    paced = schedule(1000)
    paced.declare(Lane.POLL, 5000, START)
    paced.ask(Lane.POLL, 0, START)
    granted(paced, START)
    for _ in range(40):
        paced.ask(Lane.CONTROL, 0, START)
    assert len(granted(paced, START)) == 40
    paced.ask(Lane.POLL, 0, START)
    assert paced.next_time(START) <= START + 6 * 0.1


def owing(paced, lane):
    """A flood of control requests has gone out of turn, until this lane is owed so much that no more may."""
    paced.declare(Lane.POLL, 5000, START)
    paced.ask(lane, 0, START)
    for _ in range(300):
        paced.ask(Lane.CONTROL, 0, START)
    assert 100 <= len(granted(paced, START)) < 300


def test_an_urgent_submission_overtakes_although_submissions_are_owed():
    """A lane is not protected from itself: what is granted to it pays what it is owed."""
    paced = schedule(1000)
    owing(paced, Lane.SUBMIT)
    urgent = paced.ask(Lane.SUBMIT, URGENT, START)
    assert granted(paced, START)[0] is urgent


def test_nothing_overtakes_while_another_lane_is_owed():
    """Neither control nor an urgent submission, when looks have waited for long."""
    paced = schedule(1000)
    owing(paced, Lane.POLL)
    paced.ask(Lane.SUBMIT, URGENT, START)
    assert granted(paced, START) == []


def test_a_withdrawn_request_leaves_no_trace():
    """The queue is as if it had never been asked."""
    paced = schedule(1)
    granted_one = paced.ask(Lane.POLL, 0, START)
    granted(paced, START)
    ticket = paced.ask(Lane.POLL, 3, START)
    paced.queue.remove(ticket)
    assert len(paced.queue) == 0
    assert paced.queue._lanes[Lane.POLL] == {}
    assert paced.demand(START) == 0
    answer(paced, granted_one, START)
    assert paced.next_time(START) == math.inf


def test_a_closed_schedule_grants_nothing_until_it_opens():
    """Not even control; an earlier end changes nothing."""
    paced = schedule(10)
    paced.close(START + 7)
    paced.close(START + 5)
    ticket = paced.ask(Lane.CONTROL, 0, START)
    assert granted(paced, START + 6.9) == []
    assert paced.next_time(START) == START + 7
    assert granted(paced, START + 7) == [ticket]


def test_what_the_platform_counts_beyond_ours_is_withheld_until_the_window_ends():
    """It says 40 are left where we believe 90: 50 belong to somebody else."""
    paced = schedule(100)
    tickets = [paced.ask(Lane.POLL, 0, START) for _ in range(10)]
    granted(paced, START)
    paced.report_remaining(tickets[0], remaining=40, until=START + 30, now=START)
    assert paced.free(START) == 40
    assert paced.free(START + 30) == 90


def test_our_own_requests_are_never_taken_for_another_clients():
    """A platform that counts exactly ours, some not yet and some still, lowers nothing."""
    paced = schedule(10, per=10.0)
    old = [paced.ask(Lane.POLL, 0, START) for _ in range(4)]
    granted(paced, START)
    for ticket in old:
        answer(paced, ticket, START)
    asked_at = START + 10.001
    new = paced.ask(Lane.POLL, 0, asked_at)
    granted(paced, asked_at)
    back = START + 10.1
    assert paced.window.free(back) == 9
    paced.report_remaining(
        new, remaining=5, until=back + 10, now=back
    )  # the four old ones were still counted when it was written
    assert paced.others.withheld(back) == 0


def test_an_answer_that_was_overtaken_tells_nothing_new():
    """The word of a later request counts, whichever answer comes last."""
    others = OtherClients(100, 60.0, ThrottleState())
    others.report(10, until=START + 60, asked_at=START + 2)
    others.report(90, until=START + 60, asked_at=START + 1)
    assert others.withheld(START + 3) == 10


def test_a_suspicion_holds_for_a_window_and_fades_over_the_next():
    """Each refusal holds 5 % back; nothing of it remains two windows later."""
    others = OtherClients(100, 60.0, ThrottleState())
    others.suspect(START)
    others.suspect(START)
    assert others.withheld(START + 60) == 10
    assert others.withheld(START + 90) == 5
    assert others.withheld(START + 120) == 0
    assert others.next_change(START + 120) == math.inf


def test_the_next_change_is_when_one_slot_more_is_free():
    """Whoever waits for a withheld slot knows when to ask again, and time moves on from there."""
    others = OtherClients(100, 60.0, ThrottleState())
    others.suspect(START)
    others.report(3, until=START + 20, asked_at=START)
    now, seen = START, []
    while (later := others.next_change(now)) < math.inf:
        assert later > now
        now = later
        seen.append(others.withheld(now))
    assert seen[-1] == 0
    assert sorted(seen, reverse=True) == seen


def test_suspicion_never_takes_the_last_slot():
    """However many refusals, something may still be sent."""
    paced = schedule(10)
    for _ in range(50):
        paced.others.suspect(START)
    assert paced.free(START) == 1
