"""`cancel`, `retry`, `pause`, `resume`, `adopt`: each drops a control file; the daemon carries it out."""

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from orchestrator.cli.common import (
    Config,
    NoDatabaseError,
    counted,
    fail,
    output,
    reading,
    run_async,
    settings_for,
    unknown_job,
    unsynced,
)
from orchestrator.cli.outcome import daemon_holds, outcome_of
from orchestrator.domain.mistake import spell
from orchestrator.domain.model import BatchState, ItemState
from orchestrator.domain.model import Job as StoredJob
from orchestrator.domain.queuefile import read
from orchestrator.intake.drop import drop_controls
from orchestrator.settings import Settings, SettingsError
from orchestrator.settings.state import state_directory
from orchestrator.store.errors import StoreError
from orchestrator.store.store import Store

Job = Annotated[str, typer.Argument(help="The job's name.")]
MaybeJob = Annotated[str | None, typer.Argument(help="The job's name.", show_default=False)]
Account = Annotated[str | None, typer.Option("--account", help="Everything on this account.")]
All = Annotated[bool, typer.Option("--all", help="Everything.")]
Items = Annotated[list[str] | None, typer.Option("--item", help="Key of an item; may be given again.")]
State = Annotated[ItemState | None, typer.Option("--state", help="Only the items in this state.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when it is done; exit code 1 if it was rejected.")]
Force = Annotated[bool, typer.Option("--force", help="Also where the database does not know the job, item or batch.")]

_FORCE = "--force drops it all the same, for a job whose file is still in incoming/"
_ADOPTABLE = (BatchState.UNCONFIRMED, BatchState.BLOCKED)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (cancel, retry, pause, resume, adopt, give_up):
        app.command(command.__name__.replace("_", "-"))(command)


def cancel(job: Job, config: Config = None, *, wait: Wait = False, force: Force = False) -> None:
    """Submit nothing more of a job, and abort on the platform what was created, also what is created after it."""
    _drop({"cancel": job}, config, wait=wait, force=force)


def retry(
    job: Job,
    config: Config = None,
    items: Items = None,
    state: State = None,
    *,
    wait: Wait = False,
    force: Force = False,
) -> None:
    """Send items of a job again: those named, those in a state, or all that did not succeed."""
    asked: dict[str, Any] = {"retry": job}
    if items:
        asked["items"] = items
    if state is not None:
        if items:
            fail("--item and --state: one of the two says what to retry")
        if not state.final or state is ItemState.SUCCEEDED:
            fail(f"--state {state}: only what failed, aborted, was partial or cancelled can be tried again")
        asked["state"] = state.value
    _drop(asked, config, wait=wait, force=force)


def pause(
    job: MaybeJob = None,
    config: Config = None,
    account: Account = None,
    *,
    everything: All = False,
    wait: Wait = False,
    force: Force = False,
) -> None:
    """Submit nothing until `resume`; what was submitted is still looked at."""
    _drop({"pause": _scope(job, account, everything=everything)}, config, wait=wait, force=force)


def resume(
    job: MaybeJob = None,
    config: Config = None,
    account: Account = None,
    *,
    everything: All = False,
    wait: Wait = False,
    force: Force = False,
) -> None:
    """Undo `pause`, and go on after `stop_after`."""
    _drop({"resume": _scope(job, account, everything=everything)}, config, wait=wait, force=force)


def adopt(
    job: Job,
    batch: Annotated[int, typer.Argument(help="The batch's number, as `show` tells it.", min=1)],
    remote_id: Annotated[str, typer.Argument(help="The id of the batch on the platform.")],
    config: Config = None,
    *,
    wait: Wait = False,
    force: Force = False,
) -> None:
    """Tell a batch whose submission could not be found out which batch on the platform it became."""
    asked = {"job": job, "batch": batch, "remote_id": remote_id}
    _drop({"adopt": asked}, config, wait=wait, force=force)


def give_up(job: Job, config: Config = None, items: Items = None, *, wait: Wait = False, force: Force = False) -> None:
    """End items as failed that the platform never brings to an end; nothing is aborted there."""
    asked: dict[str, Any] = {"give-up": job}
    if items:
        asked["items"] = items
    _drop(asked, config, wait=wait, force=force)


def _scope(job: str | None, account: str | None, *, everything: bool) -> str | dict[str, Any]:
    if sum((job is not None, account is not None, everything)) != 1:
        fail("name one of: a JOB, --account A, --all")
    if job is not None:
        return job
    return {"account": account} if account is not None else {"all": True}


def _drop(control: dict[str, Any], config: Path | None, *, wait: bool, force: bool) -> None:
    settings = settings_for(config)
    _refuse_malformed(control)
    _refuse_unknown_account(control, settings)
    if not force:
        run_async(lambda: _refuse_unknown(control, settings))
    directory = settings.queue.directory

    def warn(reason: str) -> None:
        sys.stderr.write(f"{unsynced(directory, reason)}\n")

    try:
        name = drop_controls([control], directory, not_synced=warn)
    except OSError as error:
        fail(f"{directory / 'incoming'}: {error.strerror}: work may be dropped by whoever may write there")
    output().print(f"dropped {name}: done when it is in {directory / 'accepted'}")
    if daemon_holds(settings) is False:
        sys.stderr.write(f"no daemon is running on {state_directory(settings)}: it will be done when one starts\n")
    if wait:
        try:
            mistakes = run_async(lambda: outcome_of(name, directory))
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}: what becomes of {name} cannot be seen from here")
        if mistakes:
            fail("\n".join(mistakes), 1)
        output().print(run_async(lambda: _done(control, settings)))


async def _done(control: dict[str, Any], settings: Settings) -> str:
    """What to say of a control that was carried out: a cancelled job ends when the platform has stopped its work."""
    name = control.get("cancel")
    if name is None:
        return "done"
    try:
        async with reading(settings) as store:
            job = await store.jobs.get(name)
    except (StoreError, SettingsError):
        return f"nothing more of {name} is submitted; `orchestrator show {name}` says what is still being stopped"
    if job is None or job.state.settled:
        return "done"
    left = sum(count for state, count in job.counts.items() if not state.final)
    return (
        f"nothing more of {name} is submitted; {counted(left, 'item')} still run on the platform until it has stopped "
        f"them: `orchestrator show {name}`. What it never stops is ended by `orchestrator give-up {name}`"
    )


# ---------------------------------------------------------------- what is known before it is dropped


def _refuse_malformed(control: dict[str, Any]) -> None:
    told = []
    for mistake in read({"version": 1, "controls": [control]}).mistakes:
        where = spell(mistake.path[2:])
        told.append(f"{where}: {mistake.message}" if where else mistake.message)
    if told:
        fail("\n".join(told))


def _refuse_unknown_account(control: dict[str, Any], settings: Settings) -> None:
    scope = control.get("pause", control.get("resume"))
    account = scope.get("account") if isinstance(scope, dict) else None
    if account is not None and account not in settings.accounts:
        fail(f"{account!r} is no account of the configuration: known are {', '.join(settings.accounts)}")


async def _refuse_unknown(control: dict[str, Any], settings: Settings) -> None:
    """Refuse what the database shows to be a slip; where it cannot be asked, say so and go on: the daemon can."""
    name = _job_in(control)
    if name is None:
        return
    try:
        async with reading(settings) as store:
            job = await store.jobs.get(name)
            if job is None:
                _unknown(await unknown_job(store, name))
            await _refuse_unknown_items(store, job, control.get("items", ()))
            if "adopt" in control:
                await _refuse_unknown_batch(store, job, control["adopt"]["batch"])
    except NoDatabaseError as error:
        _unknown(str(error))
    except (StoreError, SettingsError) as error:
        sys.stderr.write(f"whether there is a job {name} was not checked: {error}\n")


def _job_in(control: dict[str, Any]) -> str | None:
    asked = next(iter(control.values()))
    if isinstance(asked, dict):
        asked = asked.get("job")
    return asked if isinstance(asked, str) else None


async def _refuse_unknown_items(store: Store, job: StoredJob, keys: list[str]) -> None:
    if not keys:
        return
    unknown = dict.fromkeys(keys)
    async for portion in store.items.stream(job.id):
        for item in portion:
            unknown.pop(item.key, None)
        if not unknown:
            return
    few = ", ".join(list(unknown)[:10])
    _unknown(f"{job.spec.name} has no item {few}: `orchestrator show {job.spec.name} --items` lists them")


async def _refuse_unknown_batch(store: Store, job: StoredJob, number: int) -> None:
    batches = await store.batches.of_job(job.id)
    batch = next((each for each in batches if each.number == number), None)
    if batch is None:
        _unknown(f"{job.spec.name} has no batch {number}: `orchestrator show {job.spec.name}` lists them")
    if batch.state not in _ADOPTABLE:
        _unknown(f"batch {number} of {job.spec.name} is {batch.state}: only a blocked or an unconfirmed one is adopted")


def _unknown(text: str) -> NoReturn:
    fail(f"{text}; nothing was dropped ({_FORCE})")
