"""`db upgrade|check|backup`: the database."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.common import Config, fail, output, run_async, settings_for
from orchestrator.store import upgrade as schema

_group = typer.Typer(help="The database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_group, name="db")


@_group.command("upgrade")
def upgrade(config: Config = None) -> None:
    """Bring the schema up to this version of the program (SQLite: the daemon does so itself at its start)."""
    database = settings_for(config).database
    revision = run_async(lambda: schema.upgrade(database.url))
    output().print(f"{database}: schema {revision}")


@_group.command("check")
def check(config: Config = None) -> None:
    """Check that the database is sound and of this version's schema."""
    database = settings_for(config).database
    wrong = run_async(lambda: schema.check(database.url))
    if wrong:
        fail("\n".join(f"{database}: {each}" for each in wrong))
    output().print(f"{database}: sound and up to date")


@_group.command("backup")
def backup(file: Annotated[Path, typer.Argument(help="Where to; must not exist yet.")], config: Config = None) -> None:
    """Copy an SQLite database while the daemon may go on writing to it."""
    database = settings_for(config).database
    run_async(lambda: schema.backup(database.url, file))
    output().print(f"{database}: copied to {file}")
