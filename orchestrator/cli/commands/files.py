"""`validate`, `schema`: check and describe queue files before they are submitted."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.invocation import (
    AsJson,
    Config,
    NoDatabaseError,
    counted,
    fail,
    output,
    platforms,
    reading,
    run_async,
    settings_for,
)
from orchestrator.domain.model import JobSpec
from orchestrator.domain.queue_file.model import json_schema
from orchestrator.domain.units import format_duration
from orchestrator.intake.error_file import as_object
from orchestrator.intake.limits import account_limits
from orchestrator.intake.validation.check import Report, check
from orchestrator.settings import Settings, SettingsError
from orchestrator.store.errors import StoreError

Files = Annotated[
    list[Path], typer.Argument(help="Queue files; their tables are read from the same folder.", show_default=False)
]
Plan = Annotated[
    bool, typer.Option("--plan", help="Also print the number of batches and requests, and the minimum time.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("validate")(validate)
    app.command("schema")(schema)


def validate(files: Files, config: Config = None, *, plan: Plan = False, as_json: AsJson = False) -> None:
    """Check queue files as the daemon would, without submitting them, and list every mistake."""
    settings = settings_for(config)
    reports = run_async(lambda: _validate_all(files, settings))
    if as_json:
        sys.stdout.write(json.dumps({"files": reports}, indent=1) + "\n")
    else:
        for file in reports:
            _print(file, plan=plan)
    if any(file["mistakes"] for file in reports):
        raise typer.Exit(2)


def schema() -> None:
    """Print the JSON Schema of the queue file."""
    sys.stdout.write(json.dumps(json_schema(platforms().kinds.engines), indent=2) + "\n")


async def _validate_all(files: Sequence[Path], settings: Settings) -> list[dict[str, Any]]:
    reports, specs = [], []
    for file in files:
        try:
            report = await check(file, account_limits(settings), kinds=settings.platforms.kinds)
        except FileNotFoundError:
            fail(f"{file}: file not found")
        except OSError as error:
            fail(f"{error.filename or file}: {error.strerror or error}")
        with report:
            reports.append(_describe(file, report))
            specs.append([job.spec for job in report.jobs])
    unknown = await unknown_after([spec for of_file in specs for spec in of_file], settings)
    for file_report, of_file in zip(reports, specs, strict=True):
        file_report["notes"] = [unknown[spec.name] for spec in of_file if spec.name in unknown]
    return reports


async def unknown_after(specs: Sequence[JobSpec], settings: Settings) -> dict[str, str]:
    """Job name → note about dependencies that are neither among these jobs nor in the database.

    This is not a mistake, as such a job may be submitted later. If the database cannot be read, there are no notes.
    """
    here = {spec.name.casefold() for spec in specs}
    waits = {spec.name: [n for n in spec.after.jobs if n.casefold() not in here] for spec in specs if spec.after}
    names = {name for others in waits.values() for name in others}
    if not names:
        return {}
    try:
        async with reading(settings) as store:
            known = set(await store.jobs.known(names))
    except NoDatabaseError:
        known = set()
    except (StoreError, SettingsError):
        return {}
    notes = {}
    for job, others in waits.items():
        unknown = [name for name in others if name.casefold() not in known]
        if unknown:
            notes[job] = f"{job} waits for {', '.join(unknown)}: no such job exists yet"
    return notes


def _describe(file: Path, report: Report) -> dict[str, Any]:
    jobs = [
        {
            "name": job.spec.name,
            "items": job.items,
            "batches": job.estimate.batches,
            "requests": job.estimate.requests,
            "seconds": job.estimate.seconds,
        }
        for job in report.jobs
    ]
    return {
        "file": str(file),
        "jobs": jobs,
        "mistakes": [as_object(mistake) for mistake in report.mistakes],
        "more": report.mistakes.more,
    }


def _print(file: dict[str, Any], *, plan: bool) -> None:
    console = output()
    for mistake in file["mistakes"]:
        remedy = f" - {mistake['remedy']}" if mistake["remedy"] else ""
        console.print(f"{file['file']}: {mistake['where']}: {mistake['message']}{remedy}")
    if file["more"]:
        console.print(f"{file['file']}: {file['more']} more mistakes")
    if file["mistakes"]:
        return
    items = counted(sum(job["items"] for job in file["jobs"]), "item")
    console.print(f"{file['file']}: valid: {counted(len(file['jobs']), 'job')}, {items}")
    for job in file["jobs"] if plan else ():
        console.print(
            f"  {job['name']}: {counted(job['items'], 'item')} in {counted(job['batches'], 'batch')}, "
            f"at least {counted(job['requests'], 'request')}; minimum time at the request limit: "
            f"{format_duration(job['seconds'])}",
        )
    for note in file["notes"]:
        console.print(f"{file['file']}: note: {note}")
