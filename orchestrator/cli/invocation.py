"""What several commands share: where the configuration is, how to read the database beside a running daemon."""

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import anyio
import click
import typer
from rich.console import Console

from orchestrator.domain.model import Job
from orchestrator.domain.printable import printable
from orchestrator.platforms.registry import PLATFORMS, Platforms
from orchestrator.settings import Problem, Settings, SettingsError, find_config, load
from orchestrator.settings.state import state_directory
from orchestrator.store.errors import StoreError, StoreUnavailableError
from orchestrator.store.store import Store
from orchestrator.telemetry.lines import say

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file; default: $ORCHESTRATOR_CONFIG, ./config.yaml, /etc/orchestrator/config.yaml.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of text for people.")]

UNUSABLE = 1
"""Exit code for a database that cannot be used."""

_RIGHTS = "run this as the user of the daemon, or give this one the right"

T = TypeVar("T")


class NoDatabaseError(StoreError):
    """There is none where the configuration says: nothing ever ran there."""


def settings_for(config: Path | None, *, for_daemon: bool = False) -> Settings:
    """The configuration; without the secrets unless the command talks to a platform."""
    path = find_config(config, os.environ, Path.cwd())
    return load(path, os.environ, for_daemon=for_daemon, platforms=platforms())


def platforms() -> Platforms:
    """The platforms that `main` was started with."""
    context = click.get_current_context(silent=True)
    given = context.find_object(Platforms) if context is not None else None
    return PLATFORMS if given is None else given


def run_async(act: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine."""
    return anyio.run(act)


# ---------------------------------------------------------------- the database


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Store]:
    """The database, for reading only; a running daemon does not notice.

    Raises:
        NoDatabaseError: there is none.
        StoreError: it cannot be used.
        SettingsError: the user of this command may not read it.
    """
    with permission_errors(settings):
        require_database(settings)
        store = await Store.open(settings.database.url, state_directory=state_directory(settings), read_only=True)
    try:
        yield store
    finally:
        await store.aclose()


def require_database(settings: Settings) -> None:
    """Refuse to go on without a database. Raises NoDatabaseError, OSError."""
    path = settings.database.path
    if path is not None and not path.exists():
        raise NoDatabaseError(
            f"there is no database at {path}: `orchestrator run` makes it; if it ran already, "
            "this is another folder or configuration (--config)"
        )


@contextmanager
def permission_errors(settings: Settings) -> Iterator[None]:
    """Say of what the system denies us beside the database what a person can do about it. Raises SettingsError."""
    try:
        yield
    except OSError as error:
        told = f"{error.filename or settings.database}: {error.strerror or error}"
        raise _in_database(f"{told}: {_RIGHTS}" if isinstance(error, PermissionError) else told) from error
    except StoreUnavailableError as error:
        path = settings.database.path
        denied = any(each in str(error) for each in ("readonly database", "unable to open database file"))
        if path is None or not denied or os.access(path.parent, os.W_OK, effective_ids=True):
            raise
        raise _in_database(
            f"{path} cannot be read, as SQLite writes its log beside it, and {path.parent} is not writable: {_RIGHTS}"
        ) from error


def _in_database(text: str) -> SettingsError:
    return SettingsError([Problem("database", text)])


async def job_named(store: Store, name: str) -> Job:
    """The job of this name; leaves with exit code 2 when there is none."""
    job = await store.jobs.get(name)
    if job is None:
        fail(f"{await unknown_job(store, name)}; a file still in incoming/ has made none yet")
    return job


async def unknown_job(store: Store, name: str) -> str:
    """That no job has this name, and which one may have been meant."""
    newest = {job.spec.name.casefold(): job.spec.name for job in await store.jobs.page()}
    alike = get_close_matches(name.casefold(), newest, n=1)
    meant = f"did you mean {newest[alike[0]]}?" if alike else "`orchestrator jobs` lists them"
    return f"no job is named {name!r}: {meant}"


# ---------------------------------------------------------------- telling


def fail(message: str, code: int = 2) -> NoReturn:
    """One line on stderr and this exit code."""
    say(f"{message}\n")
    raise typer.Exit(code)


def output() -> Console:
    """For people: colours only on a terminal. What is printed is taken as it is: square brackets are no markup."""
    return Console(highlight=False, markup=False, soft_wrap=True)


_SPACES = {ord(character): " " for character in "\t\n\v\f\r\x85\u2028\u2029"}


def plain(text: str) -> str:
    """Foreign text as part of a line: line breaks and tabs become spaces, what does not show becomes an escape."""
    return printable(text.translate(_SPACES))


def unsynced(directory: Path, reason: str) -> str:
    """What to know of a file that was dropped into a folder which then could not be synced."""
    return (
        f"{directory / 'incoming'} could not be synced ({reason}): the file is dropped, but a power failure before the "
        "daemon takes it in may remove it"
    )


def counted(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`, `3 batches`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('ch') else 's'}"
