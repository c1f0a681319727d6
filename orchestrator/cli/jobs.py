"""`jobs`, `show`: what there is and how it goes."""

import json
import pwd
import sys
from typing import Annotated

import typer
from rich.text import Text

from orchestrator.cli.awaited import awaited
from orchestrator.cli.common import AsJson, Config, job_named, output, plain, reading, run_async, settings_for
from orchestrator.cli.tables import print_table
from orchestrator.domain.model import ItemState, Job, JobState
from orchestrator.engine.document import as_json, describe_batch, describe_item, describe_job
from orchestrator.store.store import Store

State = Annotated[JobState | None, typer.Option("--state", help="Only jobs in this state.")]
Account = Annotated[str | None, typer.Option("--account", help="Only jobs on this account.")]
Items = Annotated[bool, typer.Option("--items", help="List the items too, with tabs between the columns.")]
OneState = Annotated[ItemState | None, typer.Option("--state", help="List only items in this state.")]

_BATCH = ("number", "remote_id", "state", "status", "items", "submitted_at", "detail")
_ITEM = ("key", "batch", "stage", "state", "status", "remote_id", "detail")


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
            _print_jobs(found)

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


# ---------------------------------------------------------------- text


async def _print_job(store: Store, job: Job, *, items: bool, state: ItemState | None) -> None:
    told = describe_job(job) | {"dropped_by": _user(job.spec.dropped_by)}
    if job.spec.after:
        told["after"] = f"{await awaited(store, job)} (to end as {' or '.join(sorted(job.spec.after.accept))})"
    console = output()
    for name, value in told.items():
        if value not in (None, {}):
            console.print(Text.assemble((f"{name:>12}", "bold"), f"  {_told(value)}"))
    batches = [describe_batch(batch) for batch in await store.batches.of_job(job.id)]
    print_table(
        ("batch", "remote id", "state", "status", "items", "submitted", "detail"),
        [[_told(batch[name]) for name in _BATCH] for batch in batches],
        spare=("submitted", "items", "status"),
        loose="detail",
    )
    if items:
        await _print_items(store, job, state)


def _user(number: str | None) -> str | None:
    """The numeric id of a user, with the name where this system knows it."""
    try:
        return f"{number} ({pwd.getpwuid(int(number)).pw_name})" if number else None
    except (KeyError, ValueError, OverflowError):
        return number


async def _print_items(store: Store, job: Job, state: ItemState | None) -> None:
    """One line an item, as they come: a job may have a hundred thousand."""
    sys.stdout.write("\n" + "\t".join(name.replace("_", " ") for name in _ITEM) + "\n")
    async for portion in store.items.stream(job.id, state=state):
        for item in portion:
            told = describe_item(item)
            sys.stdout.write("\t".join(_told(told[name]) for name in _ITEM) + "\n")


def _print_jobs(found: list[Job]) -> None:
    rows = []
    for job in found:
        told = describe_job(job)
        counts = " ".join(f"{state} {count}" for state, count in told["counts"].items())
        row = [_told(told[name]) for name in ("name", "kind", "account", "state", "needs")]
        rows.append([*row, str(sum(told["counts"].values())), counts, _told(told["created_at"])])
    header = ("job", "kind", "account", "state", "needs", "items", "progress", "created")
    print_table(header, rows, spare=("created", "kind", "account", "items", "progress"))


def _told(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return "  ".join(f"{name} {count}" for name, count in value.items())
    return plain(str(value))
