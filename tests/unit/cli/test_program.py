"""The commands as one program: each found, and nothing loaded that is not asked for."""

import subprocess
import sys
from importlib import import_module

import pytest
import typer

from orchestrator.cli.program import GROUPS, build, run
from orchestrator.domain.errors import OrchestratorError
from orchestrator.store.errors import LockedError

COMMANDS = [command for commands in GROUPS.values() for command in commands]


def names(app):
    """What one can ask this program for."""
    return [
        *(command.name for command in app.registered_commands),
        *(group.name for group in app.registered_groups),
    ]


@pytest.mark.parametrize("group", GROUPS)
def test_each_module_has_the_commands_that_it_is_said_to_have(group):
    """A command that the table does not name could not be found."""
    app = typer.Typer()
    import_module(f"orchestrator.cli.commands.{group}").register(app)
    assert names(app) == list(GROUPS[group])


@pytest.mark.parametrize("words", [[], ["--help"], ["nru"], ["--help", "run"]])
def test_who_names_no_command_sees_all(words):
    """For the help, and to be told what was meant."""
    assert sorted(names(build(words))) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_who_names_a_command_gets_it(command):
    """With those that share its module."""
    assert [command in names(build([command, "--help"])), len(names(build([command]))) < len(COMMANDS)] == [True, True]


def test_a_start_loads_nothing_that_only_others_need():
    """Migrations, the server and the demo come when they are asked for: they take half as long as all the rest."""
    code = "import sys; from orchestrator.cli.program import build; build(['run']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "orchestrator.app" in loaded
    assert {"alembic", "fastapi", "orchestrator.simulator", "orchestrator.cli.commands.demo"}.isdisjoint(loaded)


class Ended(OrchestratorError):
    """What a running daemon raised."""


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_an_error_of_ours_is_one_line_however_it_is_wrapped(depth, capsys):
    """Task groups wrap it, one round the other."""
    error = Ended("the lock is lost")
    for _ in range(depth):
        error = ExceptionGroup("unhandled errors in a TaskGroup", [error])

    def fail():
        raise error

    with pytest.raises(SystemExit) as left:
        run(fail)
    assert (left.value.code, capsys.readouterr().err) == (1, "the lock is lost\n")


def test_errors_that_come_together_are_one_line_each(capsys):
    """A lock that another process holds decides the exit code; the same message is written once."""
    group = ExceptionGroup(
        "two parts", [Ended("the database is away"), LockedError("held"), Ended("the database is away")]
    )

    def fail():
        raise group

    with pytest.raises(SystemExit) as left:
        run(fail)
    assert (left.value.code, capsys.readouterr().err) == (3, "the database is away\nheld\n")


def test_a_bug_among_errors_keeps_its_traceback():
    """What was not foreseen is not reduced to a line."""
    group = ExceptionGroup("two parts", [Ended("the database is away"), ZeroDivisionError("bug")])

    def fail():
        raise group

    with pytest.raises(ExceptionGroup):
        run(fail)


def test_a_value_that_is_no_choice_is_named_with_those_that_are(capsys, monkeypatch):
    """In the program's words: nothing of the library that checks it."""
    words = ["jobs", "--state", "done"]
    monkeypatch.setattr(sys, "argv", ["orchestrator", *words])
    with pytest.raises(SystemExit) as ended:
        run(build(words))
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "Invalid value for '--state': 'done' is not one of 'loading'" in said
