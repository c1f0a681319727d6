"""`validate`, `schema`: check and describe queue files before they are submitted."""

import json
import sys
import textwrap
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from orchestrator.cli.invocation import (
    AsJson,
    Config,
    NoDatabaseError,
    fail,
    output,
    platforms,
    reading,
    run_async,
    settings_for,
)
from orchestrator.clock import SystemClock
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.messages.printable import printable_json
from orchestrator.domain.queue_file.editor_schema import json_schema
from orchestrator.domain.units import format_duration
from orchestrator.intake.error_file import as_object
from orchestrator.intake.limits import account_limits, webhook_terms
from orchestrator.intake.ports import Jobs
from orchestrator.intake.stored_jobs import Asked, OpenJobs, Stored, notes_on
from orchestrator.intake.validated_job import ValidatedJob
from orchestrator.intake.validation.check import Report, check
from orchestrator.settings import Settings

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
    sys.stdout.write(json.dumps(json_schema(platforms().kinds), indent=2) + "\n")


async def _validate_all(files: Sequence[Path], settings: Settings) -> list[dict[str, Any]]:
    reports, asked, stored = [], [], Stored(jobs_in(settings), SystemClock().now())
    for file in files:
        try:
            limits, hooks = account_limits(settings), webhook_terms(settings)
            report = await check(file, limits, kinds=settings.platforms.kinds, webhooks=hooks, refuse=stored.compare)
        except FileNotFoundError:
            fail(f"{file}: file not found")
        except OSError as error:
            fail(f"{error.filename or file}: {error.strerror or error}")
        with report:
            reports.append(_describe(file, report))
            asked.append(Asked.by(report))
    here = [spec for each in asked for spec in each.specs]
    for file_report, each in zip(reports, asked, strict=True):
        file_report["notes"] += notes_on(each, stored, here, settings.accounts)
    return reports


def jobs_in(settings: Settings) -> OpenJobs:
    """Opens the jobs of the database, for `Stored`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Jobs | None]:
        async with AsyncExitStack() as stack:
            jobs: Jobs | None = None
            with suppress(NoDatabaseError):
                jobs = (await stack.enter_async_context(reading(settings))).jobs
            yield jobs

    return opened


def _describe(file: Path, report: Report) -> dict[str, Any]:
    jobs = [
        {
            "name": job.spec.name,
            "digest": job.spec.digest,
            "content_digest": job.spec.content_digest,
            "items": job.items,
            "batches": job.estimate.batches,
            "requests": job.estimate.requests,
            "seconds": job.estimate.seconds,
            "first_item": _first_item(job),
            "rows_of": job.spec.rows_of,
        }
        for job in report.jobs
    ]
    return {
        "file": str(file),
        "jobs": jobs,
        "mistakes": [as_object(mistake) for mistake in report.mistakes],
        "more": report.mistakes.more,
        "notes": list(report.notes),
    }


def _first_item(job: ValidatedJob) -> dict[str, Any] | None:
    """The first item of a job as it will be sent."""
    for portion in job.chunks():
        for item in portion:
            return cast("dict[str, Any]", json.loads(item.request))
    return None


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
        if job["rows_of"] is not None:
            console.print(f"  {job['name']}: {_plan_of_rows(job['rows_of'], file['jobs'])}", markup=False)
            continue
        console.print(
            f"  {job['name']}: {counted(job['items'], 'item')} in {counted(job['batches'], 'batch')}, "
            f"at least {counted(job['requests'], 'request')}; minimum time at the request limit: "
            f"{format_duration(job['seconds'])}",
        )
        shown = printable_json(json.dumps(job["first_item"], ensure_ascii=False, indent=1).encode()).decode()
        console.print("  its first item:\n" + textwrap.indent(shown, "    "))
    for note in file["notes"]:
        console.print(f"{file['file']}: note: {note}")


def _plan_of_rows(source: str, jobs: Sequence[Mapping[str, Any]]) -> str:
    """What can be said of a job before its rows are there; `jobs` are those of the same file."""
    items = next((job["items"] for job in jobs if job["name"].casefold() == source.casefold() and job["items"]), None)
    most = f", {counted(items, 'item')} at most" if items else ""
    return f"planned when {source} has settled, with an item for each matching row of it{most}"
