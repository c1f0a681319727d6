"""`doctor`: each thing that keeps the daemon from its work is found, with the way out, for a request an account."""

import errno
import os

import pytest
from checkup import about, configure, examine, wrong
from commands import job
from processes import free_port

from orchestrator.cli.checkup import machine

# ---------------------------------------------------------------- the configuration


def test_every_mistake_is_told_and_the_rest_looked_at_all_the_same(desk):
    """A key that is missing does not hide a folder that is wrong."""
    (desk.folder / "key").unlink()
    desk.queue.write_text("no folder")
    code, found = examine(desk)
    assert code == 2
    assert [each["subject"] for each in wrong(about(found, "configuration"))] == [
        str(desk.config),
        "accounts.ica.api_key",
    ]
    assert {each["found"] for each in about(found, "queue")} == {f"{desk.queue} is not a folder"}
    assert "was not checked: it cannot be read" in about(found, "account")[0]["found"]


def test_a_configuration_without_any_use_is_told_mistake_by_mistake(desk):
    """Nothing else can be looked at."""
    configure(desk, {"page_size": 0}, queues={})
    code, found = examine(desk)
    assert (code, [each["check"] for each in found]) == (2, ["configuration"] * 3)
    assert [each["subject"] for each in found[1:]] == ["accounts.ica.page_size", "queues"]
    desk.config.unlink()
    code, found = examine(desk)
    assert (code, [each["subject"] for each in found]) == (2, [str(desk.config)])


def test_a_key_that_everybody_may_read_is_a_warning(desk):
    """With the command that mends it."""
    (desk.folder / "key").chmod(0o644)
    _, found = examine(desk)
    (secret,) = about(found, "secrets")
    assert (secret["result"], secret["remedy"]) == ("warning", f"chmod o-r {desk.folder / 'key'}")


def test_people_get_a_line_for_each_check(desk):
    """The result first; the remedy last."""
    configure(desk, server={"listen": f"127.0.0.1:{free_port()}"})
    lines = desk.run("doctor").out.splitlines()
    assert len(lines) == len(examine(desk)[1])
    assert lines[0] == f"ok       configuration {desk.config}: valid, 1 account"


# ---------------------------------------------------------------- folders, disks


def test_folders_that_are_not_there_yet_are_no_mistake(desk):
    """Before the first start; looking makes none of the queue's."""
    _, found = examine(desk)
    assert {each["result"] for each in about(found, "queue") + about(found, "disk")} == {"ok"}
    assert not desk.queue.exists()


def test_files_that_cannot_be_moved_are_found(desk, monkeypatch):
    """Where accepted/ is mounted apart; nothing is left behind."""
    for name in ("incoming", "accepted", "rejected"):
        (desk.queue / name).mkdir(parents=True)
    assert not wrong(about(examine(desk)[1], "queue"))

    def refuse(source, target):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(machine, "rename_exclusively", refuse)
    code, found = examine(desk)
    moves = wrong(about(found, "queue"))
    assert (code, len(moves)) == (2, 2)
    assert "must be on one file system" in moves[0]["remedy"]
    assert not [file for file in desk.queue.rglob("*") if file.is_file()]


def test_a_folder_without_the_right_is_found(desk, monkeypatch):
    """By trying, whatever the mode says."""
    (desk.queue / "results").mkdir(parents=True)

    def refuse(**where):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(where))

    monkeypatch.setattr(machine, "TemporaryFile", refuse)
    code, found = examine(desk)
    results = next(each for each in found if each["subject"].endswith("/results"))
    assert (code, results["result"], "run this command as the daemon's user" in results["remedy"]) == (2, "wrong", True)


def test_a_full_disk_is_found(desk, monkeypatch):
    """By the bound that the daemon has for being ready."""
    monkeypatch.setattr(machine, "without_room", lambda folders: f"{folders[0]} lies on a full disk")
    code, found = examine(desk)
    assert (code, {each["result"] for each in about(found, "disk")}) == (2, {"wrong"})


def test_a_state_of_another_user_is_left_alone(desk, needs):
    """The daemon could not open what root leaves there."""
    needs(root=True)
    desk.state.mkdir()
    os.chown(desk.state, 65534, 65534)
    code, found = examine(desk)
    (account,) = about(found, "account")
    assert (code, account["result"], account["remedy"]) == (0, "warning", "run this command as the daemon's user")
    assert not list(desk.state.iterdir())


# ---------------------------------------------------------------- the database


def test_a_sound_database_is_told_as_such(desk):
    """With its schema."""
    desk.fill(job("a"))
    (told,) = about(examine(desk)[1], "database")
    assert (told["result"], told["found"].startswith("intact, schema ")) == ("ok", True)


def test_an_older_schema_is_a_warning(desk):
    """The next start upgrades an SQLite database."""
    desk.fill(job("a"))
    desk.sql("UPDATE alembic_version SET version_num = '0001'")
    (told,) = about(examine(desk)[1], "database")
    assert (told["result"], "the next start upgrades it" in told["found"]) == ("warning", True)


@pytest.mark.parametrize("kind", ["damaged", "newer", "text"])
def test_a_database_that_cannot_be_used_is_wrong(desk, kind):
    """With the way out."""
    desk.fill(job("a", 20_000))
    match kind:
        case "damaged":
            desk.damage()
        case "newer":
            desk.sql("UPDATE alembic_version SET version_num = '9999'")
        case _:
            desk.database.write_text("words " * 1000)
    code, found = examine(desk)
    told = wrong(about(found, "database"))
    assert (code, "backup" in f"{told[0]['found']}{told[0]['remedy']}") == (2, True)
