"""`doctor` about scheduled backups: whether they can be written, how old the newest is, and where they lie."""

import os
import time
from types import SimpleNamespace

import pytest
from checkup import about, configure, examine
from commands import job

from orchestrator.cli.checkup import machine, scheduled_backup
from orchestrator.cli.commands import doctor
from orchestrator.clock import SECOND
from orchestrator.settings import load

HOUR = 3600
NOW = 1_700_000_000


@pytest.fixture
def desk(desk):
    """With a database, and a configuration with a backup every six hours."""
    configure(desk, backup={"directory": "backups", "interval": "6h"})
    desk.fill(job("run"))
    return desk


def made(desk, age):
    """A backup that was made so many seconds ago."""
    desk.folder.joinpath("backups").mkdir(exist_ok=True)
    at = time.gmtime(NOW - age)
    (desk.folder / "backups" / time.strftime("orchestrator-%Y%m%dT%H%M%SZ.db", at)).write_text("copy")


def found(desk):
    """Result, text and remedy of each finding about backups."""
    clock = SimpleNamespace(now=lambda: NOW * SECOND)
    findings = scheduled_backup.scheduled_backup(load(desk.config, {}), clock)
    return [(each.result, each.found, each.remedy or "") for each in findings]


def test_nothing_is_said_where_no_backup_is_configured(desk):
    """An operator may use other means."""
    configure(desk, backup=None)
    assert found(desk) == []


def test_a_folder_that_is_missing_is_a_warning_once_there_is_a_database(desk):
    """Its disk may not be mounted; before the first start it only waits for the daemon."""
    (only,) = found(desk)
    assert only[0] == "warning"
    assert "no backup of the database" in only[1]
    assert "mount" in only[2]
    desk.database.unlink()
    assert found(desk) == [("ok", "does not exist yet; the daemon creates it", "")]


def test_a_folder_that_cannot_be_used_is_wrong(desk, monkeypatch):
    """A file in its place, or one that this user may not write; with the remedy."""
    folder = desk.folder / "backups"
    folder.write_text("a file")
    assert found(desk) == [("wrong", f"{folder} is not a folder", "move it away, or configure another folder")]
    folder.unlink()
    made(desk, age=0)

    def refuse(dir):  # noqa: A002 - the signature of tempfile
        if dir == folder:
            raise PermissionError(13, os.strerror(13))
        return open(os.devnull)  # noqa: PTH123 - stands in for a temporary file

    monkeypatch.setattr(machine, "TemporaryFile", refuse)
    (only,) = found(desk)
    assert only[0] == "wrong"
    assert "Permission denied" in only[1]
    assert "grant" in only[2]


@pytest.mark.parametrize(("age", "result"), [(11.9 * HOUR, "ok"), (12.1 * HOUR, "warning")])
def test_a_newest_backup_older_than_two_intervals_is_a_warning(desk, age, result):
    """As the alert has it; older ones beside it do not count."""
    made(desk, age=48 * HOUR)
    made(desk, age=age)
    _, newest, _ = found(desk)
    assert newest[0] == result
    assert ("12 hours ago; one is due every 6 hours" in newest[1]) == (result == "warning")
    assert ("orchestrator db backup" in newest[2]) == (result == "warning")


def test_a_folder_without_a_backup_is_a_warning(desk):
    """Files of other names are none of the schedule's."""
    (desk.folder / "backups").mkdir()
    (desk.folder / "backups/before-upgrade.db").write_text("by hand")
    assert ("warning", "contains no backup yet") in [each[:2] for each in found(desk)]


def test_backups_on_the_disk_of_the_database_are_noted(desk, monkeypatch):
    """A failing disk would take both; one of its own needs no note."""
    made(desk, age=0)
    assert [each for each in found(desk) if "same disk" in each[1]] == [
        ("ok", "on the same disk as the database: copy the newest one to another machine", "")
    ]
    monkeypatch.setattr(scheduled_backup, "_device", lambda path: path.name)
    assert not [each for each in found(desk) if "same disk" in each[1]]


def test_doctor_has_these_findings(desk, monkeypatch):
    """Among its others, for the machine's clock."""
    monkeypatch.setattr(doctor, "_daemon_and_accounts", _unasked)
    made(desk, age=0)
    code, findings = examine(desk)
    assert code == 0
    assert [each["result"] for each in about(findings, "backup")] == ["ok", "warning", "ok"]


async def _unasked(*_):
    return []


def test_a_backup_of_a_server_is_refused(desk):
    """The message names the server's own means."""
    configure(desk, database="postgresql://127.0.0.1:1/o")
    code, findings = examine(desk)
    assert code == 2
    assert "pg_dump" in about(findings, "configuration")[1]["found"]
