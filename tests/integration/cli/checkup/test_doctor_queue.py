"""`doctor` and the start about the queue directory: what stays in incoming/, and folders that lie apart."""

import errno
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from checkup import about, examine, wrong

from orchestrator.cli.checkup import incoming, machine
from orchestrator.clock import SECOND
from orchestrator.settings import load


def after_all(folder, seconds):
    """A clock that stands so many seconds after the last change of a file in a folder."""
    newest = max(path.stat().st_ctime_ns for path in folder.iterdir())
    return SimpleNamespace(now=lambda: newest // 1000 + seconds * SECOND)


def test_what_stays_in_incoming_is_a_warning(desk, monkeypatch):
    """Without the daemon: what is not for the queue, what an interrupted copy left, what nobody decides on."""
    folder = desk.queue / "incoming"
    folder.mkdir(parents=True)
    for name in ("notes.txt", "undated.json", "waits.yaml"):
        (folder / name).write_text("x")
    os.utime(folder / "undated.json", (0, 0))
    settings = load(desk.config, {})
    assert [each.result for each in incoming.incoming(settings, after_all(folder, 0))] == ["ok"]
    minute = {each.subject: each for each in incoming.incoming(settings, after_all(folder, 61))}
    assert {*minute} == {str(folder / "notes.txt"), str(folder / "undated.json")}
    assert {each.result for each in minute.values()} == {"warning"}
    assert "ends in none of .yaml" in minute[str(folder / "notes.txt")].found
    assert "rename it" in minute[str(folder / "notes.txt")].remedy
    assert "modification time is 0" in minute[str(folder / "undated.json")].found
    ten = {each.subject: each.found for each in incoming.incoming(settings, after_all(folder, 660))}
    assert ten[str(folder / "waits.yaml")] == "has waited for 11 minutes"
    for number in range(30):
        (folder / f"more-{number}.txt").write_text("x")
    assert [each.found for each in incoming.incoming(settings, after_all(folder, 61))][
        -1
    ] == "12 more files remain there"
    monkeypatch.setattr(incoming, "REPORTED_AFTER", (0.0, 3600.0))
    assert {each["result"] for each in about(examine(desk)[1], "incoming")} == {"warning"}


def test_folders_of_the_queue_on_different_devices_are_found(desk, apart):
    """By `doctor`, and by the start, which makes no database: each names the folders and the remedy."""
    assert [each["subject"] for each in wrong(about(examine(desk)[1], "queue"))] == [
        f"{desk.queue / 'incoming'} to accepted/"
    ]
    ended = desk.run("run", "--until-idle")
    assert ended.code == 2
    assert f"{desk.queue / 'incoming'} and {desk.queue / 'accepted'} lie on different file systems" in ended.err
    assert "mount the queue directory as one" in ended.err
    assert not [file for file in desk.queue.rglob("*") if file.is_file()]
    assert not desk.database.exists()


@pytest.fixture
def apart(desk, monkeypatch):
    """accepted/ is a mount of its own where we may mount; else renames into it fail as they would then."""
    for name in ("incoming", "accepted", "rejected"):
        (desk.queue / name).mkdir(parents=True)
    accepted = desk.queue / "accepted"
    mount = ["mount", "-t", "tmpfs", "none", accepted]
    mounted = os.getuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    if not mounted:
        for module, name in ((machine, "rename_exclusively"), (os, "rename")):
            monkeypatch.setattr(module, name, refusing(getattr(module, name), accepted))
    yield
    if mounted:
        subprocess.run(["umount", accepted], check=True)


def refusing(rename, folder):
    def act(source, target, *more, **named):
        if Path(target).parent == folder:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return rename(source, target, *more, **named)

    return act
