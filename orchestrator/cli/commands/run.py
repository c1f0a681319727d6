"""`run`: runs the daemon."""

import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TextIO

import structlog
import typer

from orchestrator.app import Leftovers, run_daemon
from orchestrator.cli import allocator
from orchestrator.cli.invocation import Config, fail, reading, run_async, settings_for
from orchestrator.cli.program import REFUSED
from orchestrator.clock import SystemClock
from orchestrator.connections import SecretReaders
from orchestrator.domain.model import Job, JobState
from orchestrator.engine.outlook.why import awaited
from orchestrator.settings import Settings, exposed_secrets, key_reader
from orchestrator.settings.webhook_secrets import webhook_secret_reader
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, SecretExposed
from orchestrator.telemetry.journal import Journal
from orchestrator.telemetry.lines import LineWriter
from orchestrator.telemetry.log import configure
from orchestrator.telemetry.redaction import Redactor
from orchestrator.telemetry.service_manager import Notifier

SWITCH_INTERVAL = 0.0005
"""Maximum seconds for which a thread computes while others wait.

Python's default is 5 ms, and the event loop and each call of a database thread would wait that long whenever a worker
thread checks a queue file.
"""

UntilIdle = Annotated[bool, typer.Option("--until-idle", help="Exit once nothing is left that progresses by itself.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(config: Config = None, *, until_idle: UntilIdle = False) -> None:
    """Run the daemon: read queue files, submit and track their items, write results. Stop it with SIGTERM or SIGINT."""
    allocator.share()
    sys.setswitchinterval(SWITCH_INTERVAL)
    settings = settings_for(config, for_daemon=True)
    try:
        notifier = Notifier.from_environ(os.environ)
    except ValueError as error:
        fail(str(error))
    redactor = Redactor(settings.secrets)
    keys = {name: key_reader(settings, name, os.environ, redactor.learn) for name in settings.accounts}
    known = tuple(secret.get_secret_value() for secret in settings.notify.secrets)
    secrets = SecretReaders(keys, webhook_secret_reader(settings.notify.secret_file, known, redactor.learn))
    bus, lines = logging_bus(settings, redactor)
    start = partial(run_daemon, settings, bus=bus, until_idle=until_idle, notifier=notifier, secrets=secrets)
    try:
        _run(settings, bus, start, lines)
    finally:
        if lines is not None:
            lines.close()


def _run(
    settings: Settings, bus: Bus[Event], start: Callable[..., Coroutine[Any, Any, Leftovers]], lines: LineWriter | None
) -> None:
    for warning in exposed_secrets(settings, os.environ):
        bus.publish(SecretExposed(warning))
    lost = (lambda: 0) if lines is None else (lambda: lines.lost)
    left = run_async(partial(start, lost_log_lines=lost))
    write = sys.stderr.write if lines is None else lambda text: lines.write(text.rstrip("\n"))
    for line in run_async(lambda: _unsettled(settings, left.jobs)):
        write(f"{line}\n")
    for file, reason in left.files.items():
        write(f"{file} was not read: {reason}\n")
    for name, reason in left.results.items():
        write(f"{name}: its result was not written: {reason}\n")
    for notice, reason in left.webhooks.items():
        write(f"{notice}: its webhook was not delivered: {reason}\n")
    for name, reason in left.accounts.items():
        write(f"account {name}: the credential is refused: {reason}\n")
    if left.accounts:
        raise typer.Exit(REFUSED)
    if left.files or left.results:
        raise typer.Exit(1)


async def _unsettled(settings: Settings, jobs: Sequence[Job]) -> list[str]:
    """A line for each unsettled job: why it is on hold, or what it waits for."""
    lines = [
        f"{job.spec.name}: {job.state}, needs {job.needs}: {job.detail or '-'}" for job in jobs if job.needs is not None
    ]
    others = [job for job in jobs if job.needs is None]
    if others:
        async with reading(settings) as store:
            lines += [await _waiting(store, job) for job in others]
    return lines


async def _waiting(store: Store, job: Job) -> str:
    what = f" for {await awaited(store, job)}" if job.state is JobState.WAITING else f": {job.detail or '-'}"
    return f"{job.spec.name}: {job.state}{what}"


def logging_bus(settings: Settings, redactor: Redactor | None = None) -> tuple[Bus[Event], LineWriter | None]:
    """A bus whose events are logged on stderr, without the secrets of `redactor` or, by default, of `settings`.

    The returned writer, if there is one, must be closed at the end.
    """
    lines = configure(
        level=settings.log.level,
        style=settings.log.format,
        stream=sys.stderr or _null_stream(),
        clock=SystemClock(),
        redactor=redactor or Redactor(settings.secrets),
        environ=os.environ,
    )
    bus: Bus[Event] = Bus()
    bus.subscribe(Journal(structlog.get_logger("orchestrator")))
    return bus, lines


def _null_stream() -> TextIO:
    """A replacement for a stderr that was closed when the program started."""
    return Path(os.devnull).open("w", encoding="utf-8")
