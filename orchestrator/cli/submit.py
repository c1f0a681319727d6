"""`submit`: check queue files, then drop them as every program should."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.app import account_limits
from orchestrator.cli.common import Config, output, reading, run_async, settings_for
from orchestrator.clock import SystemClock
from orchestrator.domain.model import Job, JobState
from orchestrator.intake.drop import Dropped, NotDroppedError, drop
from orchestrator.settings import Settings
from orchestrator.store.errors import StoreError

Files = Annotated[list[Path], typer.Argument(help="Queue files; tables beside them go along.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait", help="Return when the jobs have settled; exit code 1 if one failed.")]

_LOOK = 0.5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("submit")(submit)


def submit(files: Files, config: Config = None, *, wait: Wait = False) -> None:
    """Check queue files and drop them into the queue directory; nothing is dropped that would be rejected."""
    settings = settings_for(config)
    directory = settings.queue.directory
    try:
        dropped = run_async(lambda: drop(files, directory, account_limits(settings)))
    except NotDroppedError as error:
        for file, mistakes in error.mistakes.items():
            for mistake in mistakes:
                sys.stderr.write(f"{file}: {mistake}\n")
        raise typer.Exit(2) from None
    for each in dropped:
        output().print(f"dropped {each.file} ({', '.join(each.jobs) or 'controls'})", markup=False)
    if wait:
        jobs = run_async(lambda: _settled(settings, dropped))
        for job in jobs:
            output().print(f"{job.spec.name}: {job.state}", markup=False)
        if len(jobs) < sum(len(each.jobs) for each in dropped) or any(
            job.state is not JobState.SUCCEEDED for job in jobs
        ):
            raise typer.Exit(1)


async def _settled(settings: Settings, dropped: Sequence[Dropped]) -> list[Job]:
    """Wait until each dropped job has settled, or its file was rejected."""
    clock, found = SystemClock(), dict[str, Job]()
    waiting = {name: each.file for each in dropped for name in each.jobs}
    while waiting:
        for name, job in (await _look(settings, list(waiting))).items():
            if job.state.settled:
                found[name] = job
                del waiting[name]
        for name, file in list(waiting.items()):
            if (settings.queue.directory / "rejected" / f"{file}.error.json").exists():
                sys.stderr.write(f"{name}: {file} was rejected, see rejected/{file}.error.json\n")
                del waiting[name]
        await clock.sleep(_LOOK)
    return list(found.values())


async def _look(settings: Settings, names: Sequence[str]) -> dict[str, Job]:
    try:
        async with reading(settings) as store:
            jobs = {name: await store.jobs.get(name) for name in names}
    except StoreError:
        return {}  # the daemon has not made its database yet
    return {name: job for name, job in jobs.items() if job is not None}
