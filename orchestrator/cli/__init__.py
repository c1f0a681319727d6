"""The command line: one small file a group of commands."""

import sys

import typer

from orchestrator.cli import accounts, controls, database, demo, files, jobs, run, simulator, submit
from orchestrator.domain.errors import OrchestratorError
from orchestrator.settings import SettingsError
from orchestrator.store.errors import LockedError

app = typer.Typer(
    name="orchestrator",
    help="Drop a file; have every item's outcome, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (run, demo, files, submit, jobs, accounts, controls, database, simulator):
    group.register(app)

WRONG_USE = 2
HELD = 3


def main() -> None:
    """Run one command. What a person can mend is said in one line, without a traceback; the exit code tells which."""
    try:
        app()
    except SettingsError as error:
        _leave(str(error), WRONG_USE)
    except LockedError as error:
        _leave(str(error), HELD)
    except OrchestratorError as error:
        _leave(str(error), 1)


def _leave(message: str, code: int) -> None:
    sys.stderr.write(f"{message}\n")
    sys.exit(code)
