"""The slot file: what it still knows after a kill, and how careful it is when it knows nothing."""

import math
import os
import signal
import struct
import subprocess
import sys
import textwrap
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.platforms.http.calls import Call, Effect
from orchestrator.platforms.rate_limit.lanes import Lane
from orchestrator.platforms.rate_limit.slots import LONGEST_TIMEOUT, MARGIN, NEVER, SlotFile, ThrottleState

BOOT = "00000000-0000-4000-8000-000000000001"
OTHER_BOOT = "00000000-0000-4000-8000-000000000002"
NOW, WINDOW = 5_000.0, 300.0


@pytest.fixture
def path(tmp_path):
    """Where the file lies."""
    return tmp_path / "budget-ica.slots"


def written(path, uses, *, count=4, window=WINDOW):
    """A file of this boot with these (slot, taken, released) uses; None for an answer that has not come."""
    path.unlink(missing_ok=True)
    file = SlotFile(path, first_start=True, boot_id=BOOT)
    file.open(count, window, NOW - 1_000)
    for slot, taken, released in uses:
        file.take(slot, taken)
        if released is not None:
            file.release(slot, released)
    file.close()


def reopened(path, *, count=4, window=WINDOW, now=NOW, boot=BOOT, first_start=False):
    """What a new process reads."""
    file = SlotFile(path, first_start=first_start, boot_id=boot)
    try:
        return file.open(count, window, now)
    finally:
        file.close()


def kept(path, throttle, uses=((0, NOW - 10, NOW - 9),), *, written_by=BOOT, now=NOW):
    """What a new process reads of an account that stood like this."""
    path.unlink(missing_ok=True)
    before, after = (SlotFile(path, first_start=True, boot_id=boot) for boot in (written_by, BOOT))
    before.open(4, WINDOW, NOW - 1_000)
    before.keep(throttle)
    for slot, taken, released in uses:
        before.take(slot, taken)
        before.release(slot, released)
    before.close()
    after.open(4, WINDOW, now)
    seen = after.throttle
    after.close()
    return seen


def evenly(count, *, window=WINDOW, now=NOW):
    """A full window that comes free evenly, after the margin."""
    return [pytest.approx(now + MARGIN - window + window * (slot + 1) / count) for slot in range(count)]


def test_a_first_start_finds_all_slots_free(path):
    """Nothing was ever sent, so nothing counts."""
    assert reopened(path, first_start=True) == [NEVER] * 4


def test_a_lost_file_of_a_known_instance_is_a_full_window(path):
    """Nobody knows what was sent: the slots come free evenly, none of them at once."""
    assert reopened(path) == evenly(4)


def test_releases_are_exact_after_a_restart(path):
    """What was answered counts from its answer, what was never used is free."""
    written(path, [(0, NOW - 50, NOW - 49.5), (2, NOW - 20, NOW - 19)])
    assert sorted(reopened(path)) == [NEVER, NEVER, NOW - 49.5, NOW - 19]


def test_a_request_in_flight_counts_until_the_margin_ends(path):
    """Its answer was never seen; it may arrive at the platform a little after our end."""
    written(path, [(0, NOW - 50, NOW - 49), (1, NOW - 1, None)])
    assert sorted(reopened(path)) == [NEVER, NEVER, NOW - 49, NOW + MARGIN]


def test_a_second_restart_does_not_hold_it_longer(path):
    """An open slot is closed by the first start that finds it: a crash loop cannot keep it forever."""
    written(path, [(1, NOW - 1, None)])
    reopened(path)
    assert max(reopened(path, now=NOW + 100)) == NOW + MARGIN


def test_a_lost_answer_counts_as_late_as_without_the_restart(path):
    """The platform may count the request until its time-out: no restart, nor a second one, forgets that."""
    late = NOW - 1 + LONGEST_TIMEOUT + MARGIN
    written(path, [(1, NOW - 1, late)])
    assert max(reopened(path)) == late
    assert max(reopened(path, now=NOW + 100)) == late
    assert max(reopened(path, now=NOW + 500)) == late


@pytest.mark.parametrize(
    ("taken", "released"), [(NOW - 1, NOW + LONGEST_TIMEOUT + MARGIN), (NOW + 1, NOW + 5), (math.nan, NOW + 5)]
)
def test_no_stamp_is_trusted_that_no_request_can_have_left(path, taken, released):
    """Later than the longest time-out allows, or taken in the future: it counts as one in flight."""
    written(path, [(1, taken, released)])
    assert max(reopened(path)) == NOW + MARGIN


@pytest.mark.parametrize("timeout", [LONGEST_TIMEOUT + 1, 0.0, -1.0, math.nan])
def test_no_call_takes_longer_than_a_restart_trusts(timeout):
    """A longer time-out would be a mistake of ours."""
    with pytest.raises(ValueError, match="time-out"):
        Call(method="GET", path="/a", lane=Lane.POLL, effect=Effect.SAFE, route="a", timeout=timeout)


def test_a_closed_account_stays_closed(path):
    """Until the same moment, with as much room for another client."""
    throttle = ThrottleState(NOW + 120, 50.0, NOW + 290)
    assert kept(path, throttle) == throttle


@pytest.mark.parametrize("absurd", [math.nan, math.inf, NOW + 1e9])
def test_no_closure_lasts_longer_than_a_window(path, absurd):
    """Whatever the file says."""
    assert kept(path, ThrottleState(absurd, 5.0, absurd)) == ThrottleState(NOW + WINDOW, 5.0, NOW + WINDOW)
    assert kept(path, ThrottleState(absurd, 5.0, absurd), written_by=OTHER_BOOT).closed_until == NOW + WINDOW


def test_a_closure_of_another_boot_lasts_as_long_as_when_the_last_request_left(path):
    """The two clocks have nothing in common, and nobody knows how long the machine was off."""
    throttle = ThrottleState(NOW + 110, 50.0, NOW + 200)
    woken = kept(path, throttle, [(0, NOW - 30, NOW - 29), (1, NOW - 10, NOW - 9)], written_by=OTHER_BOOT, now=17.0)
    assert woken == ThrottleState(17.0 + 120, 50.0, 17.0 + 210)


def test_a_closure_that_was_over_before_another_boot_is_forgotten(path):
    """Requests left after it: the account was open."""
    throttle = ThrottleState(NOW - 500, 50.0, NOW - 400)
    assert kept(path, throttle, written_by=OTHER_BOOT, now=NOW + 5).closed_until < NOW + 5


def test_an_account_that_was_never_closed_is_open(path):
    """On this boot, on another, and after nothing was ever sent."""
    for uses in ((), ((0, NOW - 10, NOW - 9),)):
        for boot in (BOOT, OTHER_BOOT):
            assert kept(path, ThrottleState(), uses, written_by=boot) == ThrottleState()


def test_a_file_of_the_first_version_is_a_full_window(path):
    """It told nothing of refusals, and its stamps lie elsewhere."""
    written(path, [])
    header = struct.pack("<8sIId16s", b"ORCSLOTS", 1, 4, WINDOW, bytes.fromhex(BOOT.replace("-", "")))
    path.write_bytes(header + struct.pack("<Q", zlib.crc32(header)) + struct.pack("8d", *[NEVER] * 8))
    assert reopened(path) == evenly(4)


def test_an_unsent_request_leaves_the_slot_as_it_was(path):
    """Undoing a take brings back the former use."""
    file = SlotFile(path, first_start=True, boot_id=BOOT)
    file.open(2, WINDOW, NOW - 1_000)
    file.take(0, NOW - 900)
    file.release(0, NOW - 899)
    file.take(0, NOW - 10)
    file.undo(0)
    file.take(1, NOW - 10)
    file.undo(1)
    file.close()
    assert sorted(reopened(path, count=2)) == [NEVER, NOW - 899]


def test_another_boot_knows_nothing(path):
    """Stamps of another boot-time clock mean nothing, even when the slots look free; a first start is no excuse."""
    written(path, [])
    assert reopened(path, boot=OTHER_BOOT) == evenly(4)
    written(path, [])
    assert reopened(path, boot=OTHER_BOOT, first_start=True) == evenly(4)


@pytest.mark.parametrize(
    "damage", [lambda raw: b"", lambda raw: raw[:-1], lambda raw: raw[:30], lambda raw: raw + b"x"]
)
def test_a_cut_file_is_a_full_window(path, damage):
    """A file of any other length than its header tells is not believed."""
    written(path, [])
    path.write_bytes(damage(path.read_bytes()))
    assert reopened(path) == evenly(4)


@given(at=st.integers(0, 47), byte=st.integers(1, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_a_garbled_header_is_a_full_window(path, at, byte):
    """One wrong byte anywhere in the header is noticed."""
    written(path, [])
    raw = bytearray(path.read_bytes())
    raw[at] ^= byte
    path.write_bytes(raw)
    assert reopened(path) == evenly(4)


@pytest.mark.parametrize("stamp", [math.nan, math.inf, NOW + 1e9])
def test_an_absurd_stamp_counts_until_the_margin_ends(path, stamp):
    """No stamp holds a slot for longer than a request that was in flight at the end."""
    written(path, [(0, NOW - 5, stamp)])
    assert max(reopened(path)) == NOW + MARGIN


def test_fewer_slots_keep_the_latest_uses(path):
    """A smaller budget still counts what lies in the window."""
    written(path, [(0, NOW - 40, NOW - 40), (1, NOW - 30, NOW - 30), (2, NOW - 20, NOW - 20), (3, NOW - 10, NOW - 10)])
    assert reopened(path, count=2) == [NOW - 20, NOW - 10]


def test_uses_that_a_smaller_budget_has_no_slot_for_are_not_forgotten(path):
    """A budget that is lowered and raised within a window grants no more than it had left; later, all of it."""
    uses = [NOW - 40, NOW - 30, NOW - 20, NOW - 10]
    written(path, [(slot, at, at) for slot, at in enumerate(uses)])
    for now in (NOW, NOW + 1):
        assert reopened(path, count=2, now=now) == uses[2:]
    assert reopened(path, count=5) == [NEVER, *uses]
    assert reopened(path, count=2, now=NOW + 3 * WINDOW) == uses[2:]
    assert reopened(path, count=4, now=NOW + 3 * WINDOW) == [NEVER, NEVER, *uses[2:]]


def test_more_slots_come_free(path):
    """A larger budget has room at once for what it grants beyond the old one."""
    written(path, [(0, NOW - 40, NOW - 40)], count=1)
    assert reopened(path, count=3) == [NEVER, NEVER, NOW - 40]


def test_a_longer_window_is_taken_as_full(path):
    """A slot that was used twice within the longer window remembers only the second use."""
    written(path, [(0, NOW - 9, NOW - 9)], window=10.0)
    longer = reopened(path)
    assert all(stamp >= even for stamp, even in zip(longer, [NOW + MARGIN - WINDOW] * 4, strict=True))
    assert max(longer) == pytest.approx(NOW + MARGIN)


def test_a_shorter_window_keeps_the_stamps(path):
    """The same uses simply count for less time."""
    written(path, [(0, NOW - 9, NOW - 8)])
    assert max(reopened(path, window=10.0)) == NOW - 8


def test_without_a_boot_id_each_start_is_another_boot(path, monkeypatch):
    """Where the kernel names no boot, nothing is believed that an earlier process wrote."""
    monkeypatch.setattr("orchestrator.platforms.rate_limit.slots._BOOT_ID", path.with_name("no-such-file"))
    written(path, [])
    assert reopened(path, boot=None) == evenly(4)


def test_stamps_survive_kill_9(path):
    """A process that is killed between two instructions leaves every stamp it made."""
    program = f"""
        import os, signal, pathlib
        from orchestrator.platforms.rate_limit.slots import SlotFile
        file = SlotFile(pathlib.Path({str(path)!r}), first_start=True, boot_id={BOOT!r})
        file.open(3, {WINDOW}, {NOW - 100})
        file.take(0, {NOW - 50}); file.release(0, {NOW - 49}); file.take(1, {NOW - 1})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, env=environment)
    assert ended.returncode == -signal.SIGKILL
    assert sorted(reopened(path, count=3)) == [NEVER, NOW - 49, NOW + MARGIN]
