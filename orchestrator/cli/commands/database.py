"""`db upgrade|check|backup|prune`: maintains the database."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.invocation import (
    UNUSABLE,
    Config,
    fail,
    output,
    permission_errors,
    require_database,
    run_async,
    settings_for,
)
from orchestrator.clock import SECOND, SystemClock
from orchestrator.domain.messages.counting import counted
from orchestrator.durable import private_folder
from orchestrator.settings import Settings
from orchestrator.settings.state import state_directory
from orchestrator.store.database import upgrade as schema
from orchestrator.store.database.lock import DaemonLock
from orchestrator.store.errors import StoreError, StoreUnavailableError
from orchestrator.store.store import Store
from orchestrator.telemetry.lines import write_stderr

_group = typer.Typer(help="Maintain the database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_group, name="db")


@_group.command("upgrade")
def upgrade(config: Config = None) -> None:
    """Upgrade the schema to this version of the program. With SQLite, the daemon does this when it starts."""
    settings = settings_for(config)
    with permission_errors(settings):
        revision = run_async(lambda: _upgrade(settings))
    output().print(f"{settings.database}: schema {revision}")


@_group.command("check")
def check(config: Config = None) -> None:
    """Check that the database is intact and has this version's schema."""
    settings = settings_for(config)
    with permission_errors(settings):
        require_database(settings)
        problems = run_async(lambda: schema.check(settings.database.url))
    if problems:
        fail("\n".join(f"{settings.database}: {each}" for each in problems), UNUSABLE)
    output().print(f"{settings.database}: intact and up to date")


@_group.command("backup")
def backup(file: Annotated[Path, typer.Argument(help="The copy; must not exist yet.")], config: Config = None) -> None:
    """Copy an SQLite database, also while the daemon is running, and check the copy."""
    settings = settings_for(config)
    if settings.database.path is None:
        fail("the database is on a PostgreSQL server: back it up with pg_dump")
    if file.exists():
        fail(f"{file} exists: it is not overwritten, choose another name")
    if not file.absolute().parent.is_dir():
        fail(f"there is no folder {file.absolute().parent}: create it first, or choose another folder for the copy")
    if "?" in str(file.absolute()):
        fail(f"{file}: the path of a database must not contain '?': choose another name")
    with permission_errors(settings):
        require_database(settings)
        run_async(lambda: _backup(settings, file.absolute()))
    output().print(f"{settings.database}: copied to {file}; the copy is intact")


@_group.command("prune")
def prune(config: Config = None) -> None:
    """Remove settled jobs older than `retention.settled_jobs`; a running daemon does this by itself."""
    settings = settings_for(config)
    with permission_errors(settings):
        require_database(settings)
        pruned = run_async(lambda: _prune(settings))
    output().print(f"{settings.database}: {counted(pruned, 'job')} pruned")


async def _upgrade(settings: Settings) -> str:
    state = state_directory(settings)
    private_folder(state)
    async with DaemonLock(state, settings.database.url):
        return await schema.upgrade(settings.database.url, _report)


def _report(table: str, done: int, total: int) -> None:
    write_stderr(f"{table}: {done} of {total} rows copied\n")


async def _backup(settings: Settings, file: Path) -> None:
    source = settings.database
    if await schema.current(source.url) is None:
        raise StoreError(f"{source} is empty: there is nothing to copy")
    try:
        await schema.backup(source.url, file)
    except StoreUnavailableError as error:
        raise StoreError(f"{source.path} could not be copied to {file}: {error.__cause__ or error}") from error


async def _prune(settings: Settings) -> int:
    state, url = state_directory(settings), settings.database.url
    now = SystemClock().now()
    before = now - round(settings.retention.settled_jobs * SECOND)
    pruned = 0
    async with DaemonLock(state, url) as lock, Store.opened(url, state_directory=state, fence=lock.fence) as store:
        while names := await store.jobs.prune(before, now):
            pruned += len(names)
    return pruned
