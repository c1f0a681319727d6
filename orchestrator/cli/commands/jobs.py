"""`jobs`, `show`: list jobs, and show one with its batches and items."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from orchestrator.cli.commands.job_history import print_history, print_why, user
from orchestrator.cli.invocation import AsJson, Config, fail, output, plain, run_async, settings_for
from orchestrator.cli.sources.batch_texts import batch_items, stage_status
from orchestrator.cli.sources.file_outcome import warn_without_daemon
from orchestrator.cli.sources.job_sources import Described, Source, begun, knowing
from orchestrator.cli.tables import print_table
from orchestrator.clock import SystemClock
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.model import ItemState, JobState
from orchestrator.domain.search_terms import labels_in, parse_since
from orchestrator.settings import Settings
from orchestrator.store.reading.job_criteria import JobCriteria

State = Annotated[JobState | None, typer.Option("--state", help="Only jobs in this state.")]
Account = Annotated[str | None, typer.Option("--account", help="Only jobs on this account.")]
Project = Annotated[str | None, typer.Option("--project", help="Only jobs of this project.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", help="Only jobs with this label, NAME=VALUE; may be given repeatedly.")
]
Named = Annotated[str | None, typer.Option("--name", help="Only jobs with this text in their name.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Only jobs accepted since: a duration such as 7d, a date or a time.")
]
Items = Annotated[bool, typer.Option("--items", help="Also list the items, in columns separated by tabs.")]
History = Annotated[bool, typer.Option("--history", help="List what happened to it, who caused it and when.")]
Why = Annotated[bool, typer.Option("--why", help="Show what it waits for, and when it is expected to end.")]
OneState = Annotated[ItemState | None, typer.Option("--state", help="Only items in this state.")]

_ITEM = ("key", "batch", "stage", "state", "status", "remote_id", "detail")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("jobs")(jobs)
    app.command("show")(show)


def jobs(
    config: Config = None,
    *,
    state: State = None,
    account: Account = None,
    project: Project = None,
    label: Labels = None,
    name: Named = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs, the newest first."""
    settings = settings_for(config)
    if account is not None and account not in settings.accounts:
        fail(f"unknown account {account!r}; configured accounts: {', '.join(settings.accounts)}")
    try:
        after = parse_since(since, SystemClock().now()) if since is not None else None
        search = JobCriteria(state, account, project, name, labels_in(label or ()), after)
    except ValueError as error:
        fail(str(error))

    async def act() -> None:
        async with knowing(settings) as source:
            found = await source.jobs(search)
        if as_json:
            sys.stdout.write(json.dumps({"jobs": found}, indent=1) + "\n")
        else:
            _print_jobs(found)
            _warn_standing(found, settings)

    run_async(act)


def show(
    job: Annotated[str, typer.Argument(help="The job's name.")],
    config: Config = None,
    *,
    items: Items = False,
    state: OneState = None,
    history: History = False,
    why: Why = False,
    json_: AsJson = False,
) -> None:
    """Show one job: its state, its batches and, with --items, its items; or its history, or what it waits for."""
    settings = settings_for(config)
    if history and why:
        raise typer.BadParameter("--history and --why are two questions: ask one of them")

    async def act() -> None:
        async with knowing(settings) as source:
            if history:
                await print_history(source, job, as_json=json_)
            elif why:
                await print_why(source, job, as_json=json_)
            elif json_:
                async for portion in source.whole(job):
                    sys.stdout.buffer.write(portion)
            else:
                items_too = items or state is not None
                if sys.stdout.isatty() or not items_too:
                    _warn_standing([await _print_job(source, job)], settings)
                if items_too:
                    await _print_items(source, job, state)

    run_async(act)


# ---------------------------------------------------------------- text


def _warn_standing(shown: Sequence[Described], settings: Settings) -> None:
    """Say on stderr that no job progresses, where one of these could and no daemon runs."""
    if not all(JobState(job["state"]).settled for job in shown):
        warn_without_daemon(settings, "jobs continue")


async def _print_job(source: Source, name: str) -> Described:
    job, batches = await source.job(name)
    fields = job | {"dropped_by": user(job["dropped_by"]), "after": await source.awaited(name)}
    fields |= await source.standstill(name)
    notices = fields.pop("undelivered") or ()
    console = output()
    for key, value in fields.items():
        if value not in (None, {}):
            console.print(Text.assemble((f"{key:>15}", "bold"), f"  {_text(value)}"))
    for notice in notices:
        console.print(Text.assemble((f"{'webhook':>15}", "bold"), f"  {plain(_notice(notice))}"))
    print_table(
        ("batch", "remote id", "state", "status", "items", "sends", "submitted", "detail"),
        [_batch_row(batch) for batch in batches],
        spare=("submitted", "sends", "status", "items"),
        loose="detail",
    )
    return job


def _batch_row(batch: Described) -> list[str]:
    texts = (batch["number"], batch["remote_id"], batch["state"], stage_status(batch), batch_items(batch))
    return [_text(value) for value in (*texts, batch["sends"], batch["submitted_at"], batch["detail"])]


def _notice(notice: Described) -> str:
    """`settled (round 1) not delivered: 3 attempts, next at …: HTTP 503`."""
    outlook = "given up" if notice["given_up"] else f"next at {notice['next_try'][:19]}Z"
    attempts = counted(notice["tries"], "attempt")
    error = f": {notice['last_error']}" if notice["last_error"] else ""
    return f"{notice['event']} (round {notice['round']}) not delivered: {attempts}, {outlook}{error}"


async def _print_items(source: Source, name: str, state: ItemState | None) -> None:
    """Print one line for each item while they are read: a job may have a hundred thousand."""
    portions = await begun(source.items(name, state))
    sys.stdout.write("\n" if sys.stdout.isatty() else "")
    sys.stdout.write("\t".join(column.replace("_", " ") for column in _ITEM) + "\n")
    async for portion in portions:
        for item in portion:
            sys.stdout.write("\t".join(_text(item[column]) for column in _ITEM) + "\n")


def _print_jobs(found: list[Described]) -> None:
    rows = []
    for job in found:
        counts = " ".join(f"{state} {count}" for state, count in job["counts"].items())
        row = [_text(job[name]) for name in ("name", "kind", "account", "state")]
        row.append("cancelling" if _is_cancelling(job) else _text(job["needs"]))
        rows.append([*row, str(sum(job["counts"].values())), counts, _text(job["created_at"])])
    header = ("job", "kind", "account", "state", "needs", "items", "progress", "created")
    print_table(header, rows, spare=("created", "kind", "account", "items", "progress"))


def _is_cancelling(job: Described) -> bool:
    return job["cancelled_at"] is not None and not JobState(job["state"]).settled


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return "  ".join(f"{name} {count}" for name, count in value.items())
    return plain(str(value))
