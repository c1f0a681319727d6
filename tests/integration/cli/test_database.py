"""`db` and the commands that read: what they say of a database that is not there, damaged, or out of reach."""

import codecs
import os
import sqlite3
from importlib import import_module

import pytest
from commands import Desk, job
from other_users import open_folder

from orchestrator.cli.program import GROUPS

READERS = (["jobs"], ["show", "a"], ["accounts"], ["db", "check"])


@pytest.fixture
def desk():
    """A folder with a configuration and nothing else, which any user may pass through."""
    with open_folder() as folder:
        yield Desk(folder)


# ---------------------------------------------------------------- backup


def test_a_copy_is_checked_and_complete(desk):
    """Nothing but the copy is left beside it, and it can take the place of the database."""
    desk.fill(job("a"))
    target = desk.folder / "copy/x.db"
    target.parent.mkdir()
    ended = desk.run("db", "backup", str(target))
    assert (ended.code, ended.err) == (0, "")
    assert [path.name for path in target.parent.iterdir()] == ["x.db"]
    target.replace(desk.database)
    assert desk.run("db", "check").code == 0


def test_a_copy_of_an_older_schema_is_good(desk):
    """Backups are made before upgrades."""
    desk.fill(job("a"))
    desk.sql("UPDATE alembic_version SET version_num = '0001'")
    assert desk.run("db", "backup", str(desk.folder / "x.db")).code == 0


def test_a_damaged_database_leaves_no_copy_that_looks_good(desk):
    """The one backup that is never looked at again must not be the malformed one."""
    desk.fill(job("a", 20_000))
    desk.damage()
    ended = desk.run("db", "backup", str(desk.folder / "x.db"))
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1)
    assert f"a copy of {desk.database} is damaged" in ended.err
    assert not [path for path in desk.folder.iterdir() if "x.db" in path.name]


@pytest.mark.parametrize(
    ("file", "says"), [("gone/x.db", "there is no folder"), ("config.yaml", "exists: it is not overwritten")]
)
def test_a_target_that_cannot_be_is_not_blamed_on_the_source(desk, file, says):
    """Wrong use, and the healthy database is not named."""
    desk.fill(job("a"))
    ended = desk.run("db", "backup", str(desk.folder / file))
    assert (ended.code, says in ended.err, str(desk.database) in ended.err) == (2, True, False)


# ---------------------------------------------------------------- not there, not ours


@pytest.mark.parametrize("words", [*READERS, ["db", "prune"], ["db", "backup", "/tmp/nothing-is-made.db"]])
def test_a_database_that_is_not_there_is_told_as_such(desk, words):
    """Most likely it is the wrong folder; nothing is made in it."""
    ended = desk.run(*words)
    assert (ended.code, len(ended.err.splitlines())) == (1, 1)
    assert f"there is no database at {desk.database}" in ended.err
    assert not desk.state.exists()


@pytest.mark.parametrize("kind", ["empty", "damaged", "foreign", "text"])
def test_a_check_that_finds_something_ends_as_any_command_does(desk, kind):
    """Code 1, as README says of a database that cannot be used."""
    desk.state.mkdir()
    match kind:
        case "empty":
            desk.database.touch()
        case "foreign":
            with sqlite3.connect(desk.database) as connection:
                connection.execute("CREATE TABLE other (x)")
            connection.close()
        case "text":
            desk.database.write_text("words " * 1000)
        case _:
            desk.fill(job("a", 20_000))
            desk.damage()
    assert desk.run("db", "check").code == 1
    assert kind == "damaged" or desk.run("jobs").code == 1


# ---------------------------------------------------------------- out of reach


@pytest.fixture
def nobody(desk, needs):
    """Runs a command as a user without rights."""
    needs(root=True)

    for group in GROUPS:  # while they can be read
        import_module(f"orchestrator.cli.commands.{group}")
    codecs.lookup("utf-8-sig")

    def run(*words):
        os.seteuid(65534)
        try:
            return desk.run(*words)
        finally:
            os.seteuid(0)

    return run


@pytest.mark.parametrize("words", [*READERS, ["db", "prune"], ["db", "upgrade"]])
def test_a_state_that_may_not_be_entered_is_one_clear_line(desk, nobody, words):
    """Most likely it is the wrong user: told without a traceback, with the way out."""
    desk.fill(job("a"))
    desk.state.chmod(0o700)
    ended = nobody(*words)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert ended.err.startswith(f"database: {desk.state}")
    assert "run this command as the daemon's user" in ended.err


def test_a_lock_of_another_user_is_one_clear_line(desk, nobody):
    """What writes needs more rights than what reads."""
    desk.fill(job("a"))
    desk.run("db", "prune")
    desk.state.chmod(0o777)
    ended = nobody("db", "prune")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert ended.err.startswith(
        f"database: {desk.state}/lock: Permission denied: run this command as the daemon's user"
    )


def test_a_state_that_may_not_be_written_to_is_explained(desk, nobody):
    """SQLite writes even to read, which its own message does not say: so where the files were opened to readers."""
    desk.fill(job("a"))
    desk.state.chmod(0o555)
    for path in desk.state.glob("orchestrator.db*"):
        path.chmod(0o644)
    ended = nobody("jobs")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert f"SQLite needs to write its log in {desk.state}, which is not writable" in ended.err


def test_a_database_that_others_may_not_read_is_one_clear_line(desk, nobody):
    """The daemon makes it for its own user alone; another one is sent to that user, in a folder that can be entered."""
    desk.fill(job("a"))
    desk.state.chmod(0o777)
    ended = nobody("jobs")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    database = desk.state / "orchestrator.db"
    assert ended.err.startswith(f"database: {database}: Permission denied: run this command as the daemon's user")


def test_a_state_that_may_not_be_entered_does_not_keep_a_dropper_from_dropping(desk, nobody):
    """Who may drop work may drop controls; that the name was not checked is said."""
    desk.fill(job("a"))
    desk.state.chmod(0o700)
    (desk.queue / "incoming").mkdir(parents=True)
    (desk.queue / "incoming").chmod(0o777)
    ended = nobody("cancel", "a")
    assert (ended.code, "it was not checked that job a exists" in ended.err) == (0, True)
    assert desk.dropped == [{"cancel": "a"}]
