"""The commands as one program: finds the one that is asked for, and tells what went wrong with it."""

import sys
from collections.abc import Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Final

import typer

from orchestrator.domain.errors import OrchestratorError
from orchestrator.settings import SettingsError
from orchestrator.store.errors import LockedError

WRONG_USE: Final = 2
HELD: Final = 3

GROUPS: Final = MappingProxyType(
    {
        "run": ("run",),
        "demo": ("demo",),
        "files": ("validate", "schema"),
        "submit": ("submit",),
        "jobs": ("jobs", "show"),
        "accounts": ("accounts",),
        "controls": ("cancel", "retry", "pause", "resume", "adopt"),
        "database": ("db",),
        "simulator": ("simulator",),
    }
)
"""The commands of each module beside this one."""


def build(words: Sequence[str]) -> typer.Typer:
    """The program, as `words` ask for it: with the module of the command that they name, and no other.

    The others would take memory, and time to import. Where no command is named, all are there.
    """
    app = typer.Typer(
        name="orchestrator",
        help="Drop a file; have every item's outcome, once.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_without_options)
    named = [group for group, commands in GROUPS.items() if words and words[0] in commands]
    for group in named or GROUPS:
        import_module(f"orchestrator.cli.{group}").register(app)
    return app


def run(app: typer.Typer) -> None:
    """Run one command. What a person can mend is said in one line, without a traceback; the exit code tells which."""
    try:
        app()
    except SettingsError as error:
        _leave(str(error), WRONG_USE)
    except LockedError as error:
        _leave(str(error), HELD)
    except OrchestratorError as error:
        _leave(str(error), 1)


def _without_options() -> None:
    # A program of one command would lose the command's name; one with a callback keeps it.
    pass


def _leave(message: str, code: int) -> None:
    sys.stderr.write(f"{message}\n")
    sys.exit(code)
