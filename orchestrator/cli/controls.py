"""`cancel`, `retry`, `pause`, `resume`, `adopt`: each drops a control file; the daemon carries it out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.common import Config, fail, output, settings_for
from orchestrator.domain.model import ItemState
from orchestrator.intake.drop import drop_controls

Job = Annotated[str, typer.Argument(help="The job's name.")]
MaybeJob = Annotated[str | None, typer.Argument(help="The job's name.", show_default=False)]
Account = Annotated[str | None, typer.Option("--account", help="Everything on this account.")]
All = Annotated[bool, typer.Option("--all", help="Everything.")]
Items = Annotated[list[str] | None, typer.Option("--item", help="Key of an item; may be given again.")]
State = Annotated[ItemState | None, typer.Option("--state", help="Only the items in this state.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (cancel, retry, pause, resume, adopt):
        app.command(command.__name__)(command)


def cancel(job: Job, config: Config = None) -> None:
    """Submit nothing more of a job, and abort on the platform what was created, also what is created after it."""
    _drop({"cancel": job}, config)


def retry(job: Job, config: Config = None, items: Items = None, state: State = None) -> None:
    """Send items of a job again: those named, those in a state, or all that did not succeed."""
    asked: dict[str, Any] = {"retry": job}
    if items:
        asked["items"] = items
    if state is not None:
        if not state.final or state is ItemState.SUCCEEDED:
            fail(f"--state {state}: only what failed, aborted, was partial or cancelled can be tried again")
        asked["state"] = state.value
    _drop(asked, config)


def pause(job: MaybeJob = None, config: Config = None, account: Account = None, *, everything: All = False) -> None:
    """Submit nothing until `resume`; what was submitted is still looked at."""
    _drop({"pause": _scope(job, account, everything=everything)}, config)


def resume(job: MaybeJob = None, config: Config = None, account: Account = None, *, everything: All = False) -> None:
    """Undo `pause`, and go on after `stop_after`."""
    _drop({"resume": _scope(job, account, everything=everything)}, config)


def adopt(
    job: Job,
    batch: Annotated[int, typer.Argument(help="The batch's number, as `show` tells it.", min=1)],
    remote_id: Annotated[str, typer.Argument(help="The id of the batch on the platform.")],
    config: Config = None,
) -> None:
    """Tell a batch whose submission could not be found out which batch on the platform it became."""
    _drop({"adopt": {"job": job, "batch": batch, "remote_id": remote_id}}, config)


def _scope(job: str | None, account: str | None, *, everything: bool) -> str | dict[str, Any]:
    if sum((job is not None, account is not None, everything)) != 1:
        fail("name one of: a JOB, --account A, --all")
    if job is not None:
        return job
    return {"account": account} if account is not None else {"all": True}


def _drop(control: dict[str, Any], config: Path | None) -> None:
    directory = settings_for(config).queue.directory
    try:
        name = drop_controls([control], directory)
    except OSError as error:
        fail(f"{directory / 'incoming'}: {error.strerror}: work may be dropped by whoever may write there")
    output().print(f"dropped {name}: done when it is in {directory / 'accepted'}", markup=False)
