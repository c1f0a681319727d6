"""Shared by the commands: loading the configuration, reading the database, exiting with an error, formatting."""

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import anyio
import typer
from rich.console import Console

from orchestrator.domain.messages.printable import printable
from orchestrator.domain.model import Job
from orchestrator.platforms.registry import PLATFORMS, Platforms
from orchestrator.settings import Problem, Settings, SettingsError, find_config, load
from orchestrator.settings.state import state_directory
from orchestrator.store.errors import StoreError, StoreUnavailableError
from orchestrator.store.store import Store
from orchestrator.telemetry.lines import write_stderr

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file; default: $ORCHESTRATOR_CONFIG, ./config.yaml, /etc/orchestrator/config.yaml.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Output JSON.")]

UNUSABLE = 1
"""Exit code for a database that cannot be used."""

_RIGHTS = "run this command as the daemon's user, or grant this user access"

T = TypeVar("T")

_SUPPORTED: ContextVar[Platforms] = ContextVar("supported platforms", default=PLATFORMS)


class NoDatabaseError(StoreError):
    """The configured database does not exist."""


def settings_for(config: Path | None, *, for_daemon: bool = False) -> Settings:
    """Load the configuration; secrets that cannot be read are left empty unless `for_daemon` is set."""
    path = find_config(config, os.environ, Path.cwd())
    return load(path, os.environ, for_daemon=for_daemon, platforms=platforms())


def platforms() -> Platforms:
    """The platforms that this run of the program supports."""
    return _SUPPORTED.get()


def support(platforms: Platforms) -> None:
    """Set the platforms that commands support from here on, in this context."""
    _SUPPORTED.set(platforms)


def run_async(act: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine."""
    return anyio.run(act)


# ---------------------------------------------------------------- the database


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Store]:
    """Open the database read-only; this does not disturb a running daemon.

    Raises:
        NoDatabaseError: the database does not exist.
        StoreError: the database cannot be used.
        SettingsError: this user has no permission to read it.
    """
    with permission_errors(settings):
        require_database(settings)
        store = await Store.open(settings.database.url, state_directory=state_directory(settings), read_only=True)
    try:
        yield store
    finally:
        await store.aclose()


def require_database(settings: Settings) -> None:
    """Check that the database exists. Raises NoDatabaseError, OSError."""
    path = settings.database.path
    if path is not None and not path.exists():
        raise NoDatabaseError(
            f"there is no database at {path}: `orchestrator run` creates it; if the daemon has run before, "
            "check the folder and the configuration (--config)"
        )


@contextmanager
def permission_errors(settings: Settings) -> Iterator[None]:
    """Convert permission errors of the database's files to SettingsError, with how to fix them."""
    try:
        yield
    except OSError as error:
        text = f"{error.filename or settings.database}: {error.strerror or error}"
        raise _in_database(f"{text}: {_RIGHTS}" if isinstance(error, PermissionError) else text) from error
    except StoreUnavailableError as error:
        path = settings.database.path
        denied = any(each in str(error) for each in ("readonly database", "unable to open database file"))
        if path is None or not denied or os.access(path.parent, os.W_OK, effective_ids=True):
            raise
        raise _in_database(
            f"{path} cannot be read: SQLite needs to write its log in {path.parent}, which is not writable: {_RIGHTS}"
        ) from error


def _in_database(text: str) -> SettingsError:
    return SettingsError([Problem("database", text)])


async def job_named(store: Store, name: str) -> Job:
    """The job with this name; exits with code 2 if there is none."""
    job = await store.jobs.get(name)
    if job is None:
        fail(f"{await unknown_job(store, name)}; a file that is still in incoming/ has not created its jobs yet")
    return job


async def unknown_job(store: Store, name: str) -> str:
    """Error message for an unknown job name, with the most similar name."""
    newest = {job.spec.name.casefold(): job.spec.name for job in await store.jobs.page()}
    alike = get_close_matches(name.casefold(), newest, n=1)
    meant = f"did you mean {newest[alike[0]]}?" if alike else "`orchestrator jobs` lists them"
    return f"no job is named {name!r}: {meant}"


# ---------------------------------------------------------------- output


def fail(message: str, code: int = 2) -> NoReturn:
    """Write the message to stderr and exit with this code."""
    write_stderr(f"{message}\n")
    raise typer.Exit(code)


def output() -> Console:
    """A console for text output: colours on a terminal only, and no markup in square brackets."""
    return Console(highlight=False, markup=False, soft_wrap=True)


_SPACES = {ord(character): " " for character in "\t\n\v\f\r\x85\u2028\u2029"}


def plain(text: str) -> str:
    """Foreign text as part of a line: line breaks and tabs become spaces, what does not show becomes an escape."""
    return printable(text.translate(_SPACES))


def unsynced(directory: Path, reason: str) -> str:
    """Warning about a file that was queued in a folder which could not be synced."""
    return (
        f"{directory / 'incoming'} could not be synced ({reason}): the file is queued, but a power failure before the "
        "daemon has read it may remove it"
    )
