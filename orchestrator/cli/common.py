"""What several commands share: where the configuration is, how to read the database beside a running daemon."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import anyio
import typer
from rich.console import Console

from orchestrator.app import state_directory
from orchestrator.domain.model import Job
from orchestrator.settings import Settings, find_config, load
from orchestrator.store.store import Store

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file; default: $ORCHESTRATOR_CONFIG, ./config.yaml, /etc/orchestrator/config.yaml.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of text for people.")]

T = TypeVar("T")


def settings_for(config: Path | None, *, for_daemon: bool = False) -> Settings:
    """The configuration; without the secrets unless the command talks to a platform."""
    return load(find_config(config, os.environ, Path.cwd()), os.environ, for_daemon=for_daemon)


def run_async(act: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine."""
    return anyio.run(act)


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Store]:
    """The database, for reading only; a running daemon does not notice."""
    async with Store.opened(settings.database.url, state_directory=state_directory(settings), read_only=True) as store:
        yield store


async def job_named(store: Store, name: str) -> Job:
    """The job of this name; leaves with exit code 2 when there is none."""
    job = await store.jobs.get(name)
    if job is None:
        fail(f"no job is named {name!r}: `orchestrator jobs` lists them; a file still in incoming/ has made none yet")
    return job


def fail(message: str) -> NoReturn:
    """One line on stderr, exit code 2."""
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(2)


def output() -> Console:
    """For people: colours only on a terminal."""
    return Console(highlight=False, soft_wrap=True)
