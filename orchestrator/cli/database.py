"""`db upgrade|check|backup|prune`: the database."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.app import state_directory
from orchestrator.cli.common import Config, fail, output, run_async, settings_for
from orchestrator.clock import SECOND, SystemClock
from orchestrator.settings import Settings
from orchestrator.store import upgrade as schema
from orchestrator.store.lock import DaemonLock
from orchestrator.store.store import Store

_group = typer.Typer(help="The database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_group, name="db")


@_group.command("upgrade")
def upgrade(config: Config = None) -> None:
    """Bring the schema up to this version of the program (SQLite: the daemon does so itself at its start)."""
    settings = settings_for(config)
    revision = run_async(lambda: _upgrade(settings))
    output().print(f"{settings.database}: schema {revision}")


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


@_group.command("prune")
def prune(config: Config = None) -> None:
    """Remove what `retention.settled_jobs` no longer keeps; a running daemon does so by itself."""
    settings = settings_for(config)
    pruned = run_async(lambda: _prune(settings))
    output().print(f"{settings.database}: {pruned} jobs pruned")


async def _upgrade(settings: Settings) -> str:
    state = state_directory(settings)
    state.mkdir(parents=True, exist_ok=True)
    async with DaemonLock(state, settings.database.url):
        return await schema.upgrade(settings.database.url)


async def _prune(settings: Settings) -> int:
    state, url = state_directory(settings), settings.database.url
    now = SystemClock().now()
    before = now - round(settings.retention.settled_jobs * SECOND)
    pruned = 0
    async with DaemonLock(state, url), Store.opened(url, state_directory=state) as store:
        while names := await store.jobs.prune(before, now):
            pruned += len(names)
    return pruned
