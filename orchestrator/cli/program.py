"""The commands as one program: finds the one that is asked for, and tells what went wrong with it."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

import typer

from orchestrator.domain.errors import OrchestratorError, leaves
from orchestrator.platforms.registry import PLATFORMS, Platforms
from orchestrator.settings import CONFIG_VARIABLE, SettingsError
from orchestrator.store.errors import LockedError, PoolerError
from orchestrator.telemetry.lines import say

WRONG_USE: Final = 2
HELD: Final = 3
REFUSED: Final = 4

GROUPS: Final = MappingProxyType(
    {
        "run": ("run",),
        "demo": ("demo",),
        "files": ("validate", "schema"),
        "submit": ("submit",),
        "jobs": ("jobs", "show"),
        "accounts": ("accounts",),
        "doctor": ("doctor",),
        "watch": ("watch",),
        "controls": ("cancel", "retry", "pause", "resume", "adopt", "give-up"),
        "database": ("db",),
        "simulator": ("simulator",),
    }
)
"""The commands of each module beside this one."""


def build(words: Sequence[str], platforms: Platforms = PLATFORMS) -> typer.Typer:
    """The program, as `words` ask for it: with the module of the command that they name, and no other.

    The others would take memory, and time to import. Where no command is named, all are there.
    """
    app = typer.Typer(
        name="orchestrator",
        help="Drop a file; have every item's outcome, once.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"obj": platforms},
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
    except Exception as error:
        # What a task group wraps: the lock that a running daemon lost, and what else failed for the same reason.
        causes = list(dict.fromkeys(leaves(error)))
        if not all(isinstance(cause, OrchestratorError) for cause in causes):
            raise
        code = min(map(_code, causes), key=(WRONG_USE, HELD, 1).index)
        _leave("\n".join(dict.fromkeys(map(_message, causes))), code)


def _code(cause: BaseException) -> int:
    match cause:
        case SettingsError() | PoolerError():
            return WRONG_USE
        case LockedError():
            return HELD
        case _:
            return 1


def _message(cause: BaseException) -> str:
    return _in_its_file(cause) if isinstance(cause, SettingsError) else str(cause)


def _in_its_file(error: SettingsError) -> str:
    """The problems, with the file that was read: once, and not where they name it themselves."""
    path, problems = error.path, error.problems
    if path is None or any(problem.key.startswith(str(path)) for problem in problems):
        return str(error)
    place = str(path)
    if (named := os.environ.get(CONFIG_VARIABLE)) and Path.cwd() / named == path:
        place = f"{path} (${CONFIG_VARIABLE})"
    return f"{place}:{' ' if len(problems) == 1 else chr(10)}{error}"


def _without_options() -> None:
    # A program of one command would lose the command's name; one with a callback keeps it.
    pass


def _leave(message: str, code: int) -> None:
    say(f"{message}\n")
    sys.exit(code)
