"""Builds the command line program, runs it, and maps errors to messages and exit codes."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import typer

from orchestrator import __version__
from orchestrator.cli.help import plain_flags
from orchestrator.cli.invocation import support
from orchestrator.domain.errors import OrchestratorError, leaves
from orchestrator.platforms.registry import PLATFORMS, Platforms
from orchestrator.settings import CONFIG_VARIABLE, SettingsError
from orchestrator.store.errors import LockedError, PoolerError
from orchestrator.telemetry.lines import write_stderr

WRONG_USE: Final = 2
LOCKED: Final = 3
REFUSED: Final = 4

GROUPS: Final = MappingProxyType(
    {
        "run": ("run",),
        "init": ("init",),
        "demo": ("demo",),
        "files": ("validate", "schema"),
        "submit": ("submit",),
        "jobs": ("jobs", "show"),
        "report": ("report",),
        "accounts": ("accounts",),
        "doctor": ("doctor",),
        "watch": ("watch",),
        "controls": ("cancel", "retry", "pause", "resume", "adopt", "give-up"),
        "database": ("db",),
        "simulator": ("simulator",),
    }
)
"""Module in `orchestrator.cli.commands` → the commands that it registers."""


def build(arguments: Sequence[str], platforms: Platforms = PLATFORMS) -> typer.Typer:
    """Build the program with only the module of the command that `arguments` name.

    This saves the memory and import time of the others. If no command is named, all are registered.
    """
    app = typer.Typer(
        name="orchestrator",
        help="Batch submission and tracking for genomics platforms.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()  # also makes typer keep the command's name even when only one command is registered
    def started(
        *,
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
        ] = False,
    ) -> None:
        del version
        support(platforms)

    if list(arguments) == ["--version"]:
        return app
    named = [group for group, commands in GROUPS.items() if arguments and arguments[0] in commands]
    for group in named or GROUPS:
        import_module(f"orchestrator.cli.commands.{group}").register(app)
    plain_flags(app)
    return app


def run(app: typer.Typer) -> None:
    """Run one command. Expected errors are printed without a traceback and mapped to an exit code."""
    try:
        app()
    except Exception as error:
        # A task group wraps several errors with one cause, for example when the daemon loses its lock.
        causes = list(dict.fromkeys(leaves(error)))
        if not all(isinstance(cause, OrchestratorError) for cause in causes):
            raise
        code = min(map(_code, causes), key=(WRONG_USE, LOCKED, 1).index)
        _exit("\n".join(dict.fromkeys(map(_message, causes))), code)


def _code(cause: BaseException) -> int:
    match cause:
        case SettingsError() | PoolerError():
            return WRONG_USE
        case LockedError():
            return LOCKED
        case _:
            return 1


def _print_version(asked: bool) -> None:  # noqa: FBT001 - click calls it with the value of the option
    if asked:
        sys.stdout.write(f"orchestrator {__version__}\n")
        raise typer.Exit


def _message(cause: BaseException) -> str:
    return _with_file(cause) if isinstance(cause, SettingsError) else str(cause)


def _with_file(error: SettingsError) -> str:
    """The problems, prefixed with the configuration file unless they name it themselves."""
    path, problems = error.path, error.problems
    if path is None or any(problem.key.startswith(str(path)) for problem in problems):
        return str(error)
    place = str(path)
    if (named := os.environ.get(CONFIG_VARIABLE)) and Path.cwd() / named == path:
        place = f"{path} (${CONFIG_VARIABLE})"
    return f"{place}:{' ' if len(problems) == 1 else chr(10)}{error}"


def _exit(message: str, code: int) -> None:
    write_stderr(f"{message}\n")
    sys.exit(code)
