"""`validate`, `submit`, `schema`: queue files, before they are dropped."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.app import account_limits
from orchestrator.cli.common import AsJson, Config, fail, output, run_async, settings_for
from orchestrator.domain.queuefile import json_schema
from orchestrator.domain.units import format_duration
from orchestrator.intake.check import Report, check
from orchestrator.intake.verdict import as_object
from orchestrator.settings import Settings

Files = Annotated[list[Path], typer.Argument(help="Queue files; their tables lie beside them.", show_default=False)]
Plan = Annotated[bool, typer.Option("--plan", help="Tell batches, requests and time too.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("validate")(validate)
    app.command("schema")(schema)


def validate(files: Files, config: Config = None, *, plan: Plan = False, as_json: AsJson = False) -> None:
    """Check queue files as the daemon would, and send nothing. Every mistake is told at once."""
    settings = settings_for(config)
    told = [run_async(lambda file=file: _validate(file, settings)) for file in files]  # type: ignore[misc]
    if as_json:
        sys.stdout.write(json.dumps({"files": told}, indent=1) + "\n")
    else:
        for file in told:
            _print(file, plan=plan)
    if any(file["mistakes"] for file in told):
        raise typer.Exit(2)


def schema() -> None:
    """Print the JSON Schema of the queue file."""
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")


async def _validate(file: Path, settings: Settings) -> dict[str, Any]:
    try:
        report = await check(file, account_limits(settings))
    except FileNotFoundError:
        fail(f"{file}: there is no such file")
    with report:
        return _describe(file, report)


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
        console.print(f"{file['file']}: {mistake['where']}: {mistake['message']}{remedy}", markup=False)
    if file["more"]:
        console.print(f"{file['file']}: and {file['more']} more", markup=False)
    if file["mistakes"]:
        return
    items = sum(job["items"] for job in file["jobs"])
    console.print(f"{file['file']}: good: {len(file['jobs'])} jobs, {items} items", markup=False)
    for job in file["jobs"] if plan else ():
        console.print(
            f"  {job['name']}: {job['items']} items in {job['batches']} batches, at least {job['requests']} requests, "
            f"{format_duration(job['seconds'])} for the budget alone",
            markup=False,
        )
