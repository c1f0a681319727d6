"""`run`: the daemon itself."""

import os
import sys
from typing import Annotated

import structlog
import typer

from orchestrator.app import run_daemon
from orchestrator.cli import heap
from orchestrator.cli.common import Config, fail, run_async, settings_for
from orchestrator.clock import SystemClock
from orchestrator.settings import Settings, exposed_secrets
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, SecretExposed
from orchestrator.telemetry.journal import Journal
from orchestrator.telemetry.log import configure
from orchestrator.telemetry.notify import Notifier

UntilIdle = Annotated[bool, typer.Option("--until-idle", help="Return once nothing moves any more without a person.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(config: Config = None, *, until_idle: UntilIdle = False) -> None:
    """Run the daemon: take what is dropped, submit it, track it, leave results. SIGTERM and SIGINT stop it cleanly."""
    heap.share()
    settings = settings_for(config, for_daemon=True)
    try:
        notifier = Notifier.from_environ(os.environ)
    except ValueError as error:
        fail(str(error))
    bus = logging_bus(settings)
    for warning in exposed_secrets(settings, os.environ):
        bus.publish(SecretExposed(warning))
    left = run_async(lambda: run_daemon(settings, bus=bus, until_idle=until_idle, notifier=notifier))
    for job in left.jobs:
        sys.stderr.write(f"{job.spec.name}: {job.state}, needs {job.needs or 'another job'}: {job.detail or '-'}\n")
    for file, reason in left.files.items():
        sys.stderr.write(f"{file} was not taken in: {reason}\n")
    for name, reason in left.results.items():
        sys.stderr.write(f"{name}: its result was not written: {reason}\n")
    if left.files or left.results:
        raise typer.Exit(1)


def logging_bus(settings: Settings) -> Bus[Event]:
    """A bus whose events go to the log on stderr."""
    configure(
        level=settings.log.level,
        style=settings.log.format,
        stream=sys.stderr,
        clock=SystemClock(),
        secrets=settings.secrets,
        environ=os.environ,
    )
    bus: Bus[Event] = Bus()
    bus.subscribe(Journal(structlog.get_logger("orchestrator")))
    return bus
