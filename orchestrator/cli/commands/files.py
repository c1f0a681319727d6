"""`validate`, `schema`: check and describe queue files before they are submitted."""

import json
import sys
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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
from orchestrator.domain.messages.mistake import Mistake
from orchestrator.domain.messages.printable import printable_json
from orchestrator.domain.model import JobSpec
from orchestrator.domain.queue_file.editor_schema import json_schema
from orchestrator.domain.queue_file.meant_values import meant_scope
from orchestrator.domain.queue_file.nearest import did_you_mean
from orchestrator.domain.units import format_duration
from orchestrator.intake.control_reports import kind_of, scope_of
from orchestrator.intake.error_file import as_object
from orchestrator.intake.limits import account_limits, webhook_terms
from orchestrator.intake.ports import Known
from orchestrator.intake.same_work import notes_on_same_work
from orchestrator.intake.validated_job import ValidatedJob
from orchestrator.intake.validation.check import Control, Report, check
from orchestrator.intake.validation.known_names import conflict, note_known, same_content
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
    sys.stdout.write(json.dumps(json_schema(platforms().kinds), indent=2) + "\n")


async def _validate_all(files: Sequence[Path], settings: Settings) -> list[dict[str, Any]]:
    reports, asked, stored = [], [], Stored()
    for file in files:
        try:
            limits, hooks = account_limits(settings), webhook_terms(settings)
            compare = partial(stored.compare, settings=settings)
            report = await check(file, limits, kinds=settings.platforms.kinds, webhooks=hooks, refuse=compare)
        except FileNotFoundError:
            fail(f"{file}: file not found")
        except OSError as error:
            fail(f"{error.filename or file}: {error.strerror or error}")
        with report:
            reports.append(_describe(file, report))
            asked.append(Asked(tuple(job.spec for job in report.jobs), report.controls))
    here = [spec for each in asked for spec in each.specs]
    for file_report, each in zip(reports, asked, strict=True):
        file_report["notes"] += notes_on(each, stored, here, settings.accounts)
    return reports


@dataclass(frozen=True, slots=True)
class Asked:
    """What one file asks for."""

    specs: Sequence[JobSpec]
    controls: Sequence[Control]


@dataclass(slots=True)
class Stored:
    """What the database has of the jobs of some files."""

    known: dict[str, Known] | None = field(default_factory=dict)
    """Those of the same name, those that they wait for, and those that controls name, by folded name; None where the
    database cannot be read."""
    same_work: dict[str, Sequence[str]] = field(default_factory=dict)
    """Notes on work that was asked for before under another name, by folded name."""

    async def compare(self, report: Report, settings: Settings) -> Sequence[Mistake]:
        """The mistakes of the jobs of a file whose names were sent with other content."""
        jobs = report.jobs
        await self._read(jobs, [name for each in report.controls if (name := scope_of(each)[0])], settings)
        found = (conflict(job.spec, self.known or {}, at) for at, job in enumerate(jobs))
        return [mistake for mistake in found if mistake is not None]

    async def _read(self, jobs: Sequence[ValidatedJob], named: Sequence[str], settings: Settings) -> None:
        names = {name for job in jobs for name in (job.spec.name, *job.spec.waits_for)} | set(named)
        if not names or self.known is None:
            return
        try:
            async with reading(settings) as store:
                known = await store.jobs.known(names)
                new = [job for job in jobs if not same_content(job.spec, known)]
                self.same_work |= await notes_on_same_work(new, store.jobs.earlier, SystemClock().now())
                self.known |= known
        except NoDatabaseError:
            return
        except (StoreError, SettingsError, OSError):
            self.known = None


def notes_on(asked: Asked, stored: Stored, here: Sequence[JobSpec], accounts: Collection[str]) -> list[str]:
    """Notes on jobs that the database has already, and on those that are named and are neither in it nor `here`.

    The latter is no mistake, for such a job may be dropped later. Nothing is noted where the database cannot be read.
    """
    if stored.known is None:
        return []
    names = stored.known.keys() | {spec.name.casefold() for spec in here}
    notes = []
    for spec in asked.specs:
        if (note := note_known(spec, stored.known)) is not None:
            notes.append(note)
        notes += stored.same_work.get(spec.name.casefold(), ())
        unknown = [name for name in spec.waits_for if name.casefold() not in names]
        if unknown:
            others = [each.name for each in here if each.name != spec.name]
            meant = [text for name in unknown if (text := did_you_mean(name, others))]
            hint = f"; {' '.join(meant)}" if meant else ""
            notes.append(f"{spec.name} waits for {', '.join(unknown)}: no such job exists yet{hint}")
    for control in asked.controls:
        job, _ = scope_of(control)
        if job is not None and job.casefold() not in names:
            kind = kind_of(control)
            meant_by = meant_scope(kind, job, accounts) or "the file is rejected if there is none when it is read"
            notes.append(f"{kind} names {job}: no such job exists yet; {meant_by}")
    return notes


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
