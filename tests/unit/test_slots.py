"""The slot file: what it still knows after a kill, and how careful it is when it knows nothing."""

import math
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.platforms.slots import MARGIN, NEVER, SlotFile

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
    """An open slot is closed by the first start that finds it: a crash loop cannot keep it for ever."""
    written(path, [(1, NOW - 1, None)])
    reopened(path)
    assert max(reopened(path, now=NOW + 100)) == NOW + MARGIN


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
    monkeypatch.setattr("orchestrator.platforms.slots._BOOT_ID", path.with_name("no-such-file"))
    written(path, [])
    assert reopened(path, boot=None) == evenly(4)


def test_stamps_survive_kill_9(path):
    """A process that is killed between two instructions leaves every stamp it made."""
    program = f"""
        import os, signal, pathlib
        from orchestrator.platforms.slots import SlotFile
        file = SlotFile(pathlib.Path({str(path)!r}), first_start=True, boot_id={BOOT!r})
        file.open(3, {WINDOW}, {NOW - 100})
        file.take(0, {NOW - 50}); file.release(0, {NOW - 49}); file.take(1, {NOW - 1})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, env=environment)
    assert ended.returncode == -signal.SIGKILL
    assert sorted(reopened(path, count=3)) == [NEVER, NOW - 49, NOW + MARGIN]
