"""What lies in the state: for its owner alone, whatever the umask is; and a log that a reader lets grow."""

import contextlib
import json
import os
import sqlite3
import stat

import anyio
import pytest
from commands import Desk

from orchestrator.app import daemon
from orchestrator.settings import load
from orchestrator.store.wal import LARGE
from orchestrator.telemetry.bus import Bus


@pytest.fixture
def desk(tmp_path):
    """A folder with a configuration and a key."""
    desk = Desk(tmp_path)
    (desk.folder / "key").write_text("key-5a0e77c1d2\n")
    (desk.folder / "key").chmod(0o600)
    return desk


@contextlib.contextmanager
def umask(mask):
    """The process's umask, for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(desk):
    """The rights of all that lies in the state."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in desk.state.iterdir()}


def start(desk):
    """Start a daemon, have it write once, and note the rights while its database is open."""

    async def act():
        async with daemon(load(desk.config, {}), bus=Bus()) as built:
            await built.store.memory.remember("", "probe", "written")
            return modes(desk)

    return anyio.run(act)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o277])
def test_the_state_is_for_its_owner_alone(desk, mask):
    """Folder, database, its log, lock and slots, and a backup: 0700 and 0600, also where the umask takes more."""
    with umask(mask):
        found = start(desk)
        assert desk.run("db", "backup", str(desk.folder / "copy.db")).code == 0
    names = {"orchestrator.db", "orchestrator.db-wal", "orchestrator.db-shm", "lock", "budget-ica.slots"}
    assert found == dict.fromkeys(names, 0o600)
    assert stat.S_IMODE(desk.state.stat().st_mode) == 0o700
    assert stat.S_IMODE((desk.folder / "copy.db").stat().st_mode) == 0o600


def test_a_state_of_an_earlier_version_becomes_private(desk):
    """Its files were readable by others: the next start takes that away; a folder that others made stays theirs."""
    start(desk)
    desk.state.chmod(0o755)
    for path in desk.state.iterdir():
        path.chmod(0o644)
    assert set(start(desk).values()) == {0o600}
    assert stat.S_IMODE(desk.state.stat().st_mode) == 0o755


def test_doctor_names_who_keeps_the_log_from_being_emptied(desk):
    """A reader that stays in its transaction, by process; afterwards all is well."""

    async def write():
        async with desk.store() as store:
            for number in range(LARGE // 8_000_000 + 1):
                await store.memory.remember("", f"large {number}", "x" * 8_000_000)

    desk.fill()
    with contextlib.closing(sqlite3.connect(f"file:{desk.database}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM memory").fetchone()
        anyio.run(write)
        (warned,) = [each for each in about_database(desk) if each["result"] == "warning"]
    assert "write-ahead log has" in warned["found"]
    assert f"{os.getpid()} (" in warned["remedy"]
    anyio.run(write)
    assert [each["result"] for each in about_database(desk)] == ["ok"]


def about_database(desk):
    findings = json.loads(desk.run("doctor", "--json").out)["findings"]
    return [each for each in findings if each["check"] == "database"]
