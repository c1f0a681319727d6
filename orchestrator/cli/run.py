"""`run`: the daemon itself."""

import os
import sys
from typing import Annotated

import structlog
import typer

from orchestrator.app import run_daemon
from orchestrator.cli.common import Config, run_async, settings_for
from orchestrator.clock import SystemClock
from orchestrator.settings import Settings
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event
from orchestrator.telemetry.journal import Journal
from orchestrator.telemetry.log import configure

UntilIdle = Annotated[bool, typer.Option("--until-idle", help="Return once nothing moves any more without a person.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(config: Config = None, *, until_idle: UntilIdle = False) -> None:
    """Run the daemon: take what is dropped, submit it, track it, leave results. SIGTERM and SIGINT stop it cleanly."""
    settings = settings_for(config, for_daemon=True)
    bus = logging_bus(settings)
    stuck = run_async(lambda: run_daemon(settings, bus=bus, until_idle=until_idle))
    for job in stuck:
        sys.stderr.write(f"{job.spec.name}: {job.state}, needs {job.needs or 'another job'}: {job.detail or '-'}\n")


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
