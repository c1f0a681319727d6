"""`jobs`, `show`: what there is and how it goes."""

import json
import sys
from typing import Annotated

import typer
from rich.table import Table

from orchestrator.cli.common import AsJson, Config, job_named, output, reading, run_async, settings_for
from orchestrator.domain.model import ItemState, Job, JobState
from orchestrator.engine.document import as_json, describe_batch, describe_item, describe_job
from orchestrator.store.store import Store

State = Annotated[JobState | None, typer.Option("--state", help="Only jobs in this state.")]
Account = Annotated[str | None, typer.Option("--account", help="Only jobs on this account.")]
Items = Annotated[bool, typer.Option("--items", help="List the items too.")]
OneState = Annotated[ItemState | None, typer.Option("--state", help="List only items in this state.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("jobs")(jobs)
    app.command("show")(show)


def jobs(config: Config = None, state: State = None, account: Account = None, *, as_json: AsJson = False) -> None:
    """List the jobs, the newest first."""
    settings = settings_for(config)

    async def act() -> None:
        async with reading(settings) as store:
            found = await store.jobs.list(state=state, account=account)
        if as_json:
            sys.stdout.write(json.dumps({"jobs": [describe_job(job) for job in found]}, indent=1) + "\n")
        else:
            output().print(_job_table(found))

    run_async(act)


def show(
    job: Annotated[str, typer.Argument(help="The job's name.")],
    config: Config = None,
    *,
    items: Items = False,
    state: OneState = None,
    json_: AsJson = False,
) -> None:
    """Show one job: its state, its batches and, with --items, its items."""
    settings = settings_for(config)

    async def act() -> None:
        async with reading(settings) as store:
            found = await job_named(store, job)
            if json_:
                async for portion in as_json(store, found):
                    sys.stdout.buffer.write(portion)
                return
            await _print_job(store, found, items=items or state is not None, state=state)

    run_async(act)


async def _print_job(store: Store, job: Job, *, items: bool, state: ItemState | None) -> None:
    console = output()
    for name, value in describe_job(job).items():
        if value not in (None, {}):
            console.print(f"[bold]{name:>12}[/bold]  {_told(value)}", markup=True)
    batches = Table("batch", "remote id", "state", "status", "items", "submitted", "detail", box=None)
    for batch in await store.batches.of_job(job.id):
        told = describe_batch(batch)
        columns = ("number", "remote_id", "state", "status", "items", "submitted_at", "detail")
        batches.add_row(*(_told(told[name]) for name in columns))
    console.print(batches)
    if items:
        await _print_items(store, job, state)


async def _print_items(store: Store, job: Job, state: ItemState | None) -> None:
    """One line an item, as they come: a job may have a hundred thousand."""
    async for portion in store.items.stream(job.id, state=state):
        for item in portion:
            told = describe_item(item)
            columns = ("key", "batch", "stage", "state", "status", "remote_id", "detail")
            sys.stdout.write("\t".join(_told(told[name]) for name in columns) + "\n")


def _job_table(found: list[Job]) -> Table:
    table = Table("job", "kind", "account", "state", "needs", "items", "progress", "created", box=None)
    for job in found:
        told = describe_job(job)
        counts = " ".join(f"{state} {count}" for state, count in told["counts"].items())
        total = str(sum(told["counts"].values()))
        table.add_row(
            *(_told(told[name]) for name in ("name", "kind", "account", "state", "needs")),
            total,
            counts,
            _told(told["created_at"]),
        )
    return table


def _told(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return "  ".join(f"{name} {count}" for name, count in value.items())
    return str(value)
