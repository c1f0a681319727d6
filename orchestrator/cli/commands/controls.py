"""`cancel`, `retry`, `pause`, `resume`, `adopt`, `give-up`: each queues a control file for the daemon."""

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import anyio.to_thread
import typer

from orchestrator.cli.commands.submit import Waiting
from orchestrator.cli.invocation import (
    Config,
    NoDatabaseError,
    fail,
    output,
    reading,
    run_async,
    settings_for,
    unknown_job,
    unsynced,
)
from orchestrator.cli.sources.file_outcome import control_token, outcome_of, warn_without_daemon
from orchestrator.clock import SystemClock
from orchestrator.domain.lifecycle import ADOPTABLE_STATES, RETRIED_STATES
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.messages.mistake import spell
from orchestrator.domain.model import ItemState, JobState
from orchestrator.domain.model import Job as StoredJob
from orchestrator.domain.queue_file.meant_values import meant_scope
from orchestrator.domain.queue_file.model import read
from orchestrator.intake.directory.dropping import drop_controls
from orchestrator.settings import Settings, SettingsError
from orchestrator.store.errors import StoreError
from orchestrator.store.store import Store
from orchestrator.store.writing.controls.outcomes import changed_nothing

Job = Annotated[str, typer.Argument(help="The job's name.")]
MaybeJob = Annotated[str | None, typer.Argument(help="The job's name.", show_default=False)]
Account = Annotated[str | None, typer.Option("--account", help="All jobs of this account.")]
All = Annotated[bool, typer.Option("--all", help="All jobs.")]
Items = Annotated[list[str] | None, typer.Option("--item", help="Key of an item; can be repeated.")]
State = Annotated[ItemState | None, typer.Option("--state", help="Only the items in this state.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until this was carried out; exit code 1 if it was rejected.")]
WaitForEnd = Annotated[
    bool,
    typer.Option(
        "--wait",
        help="Wait until this was carried out and the job has settled with its result on disk; exit code 1 if it was "
        "rejected, or a retried job did not succeed.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Do not check that the job, item or batch exists.")]

_FORCE = "use --force to queue it anyway, for a job whose file is still in incoming/"
_ENDS = ("cancel", "retry")
"""Controls that are over when their job has settled; the others are over when they were carried out."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (cancel, retry, pause, resume, adopt, give_up):
        app.command(command.__name__.replace("_", "-"))(command)


def cancel(job: Job, config: Config = None, *, wait: WaitForEnd = False, force: Force = False) -> None:
    """Stop submitting a job, and abort its items on the platform."""
    _queue({"cancel": job}, config, wait=wait, force=force)


def retry(
    job: Job,
    config: Config = None,
    items: Items = None,
    state: State = None,
    *,
    wait: WaitForEnd = False,
    force: Force = False,
) -> None:
    """Submit items of a job again: the named ones, those in a state, or all that did not succeed."""
    control: dict[str, Any] = {"retry": job}
    if items:
        control["items"] = items
    if state is not None:
        if items:
            fail("--item and --state cannot be used together")
        if state not in RETRIED_STATES:
            fail(f"--state {state}: only failed, aborted, partial or cancelled items can be retried")
        control["state"] = state.value
    _queue(control, config, wait=wait, force=force)


def pause(
    job: MaybeJob = None,
    config: Config = None,
    account: Account = None,
    *,
    everything: All = False,
    wait: Wait = False,
    force: Force = False,
) -> None:
    """Stop submitting until `resume`; submitted items are still tracked."""
    _queue({"pause": _scope(job, account, everything=everything)}, config, wait=wait, force=force)


def resume(
    job: MaybeJob = None,
    config: Config = None,
    account: Account = None,
    *,
    everything: All = False,
    wait: Wait = False,
    force: Force = False,
) -> None:
    """Undo `pause`, and continue a job that was stopped, for example by `stop_after`."""
    _queue({"resume": _scope(job, account, everything=everything)}, config, wait=wait, force=force)


def adopt(
    job: Job,
    batch: Annotated[int, typer.Argument(help="The batch's number, as printed by `show`.", min=1)],
    remote_id: Annotated[str, typer.Argument(help="The id of the batch on the platform.")],
    config: Config = None,
    *,
    wait: Wait = False,
    force: Force = False,
) -> None:
    """Link a batch whose submission outcome is unknown to an existing batch on the platform."""
    batch_control = {"job": job, "batch": batch, "remote_id": remote_id}
    _queue({"adopt": batch_control}, config, wait=wait, force=force)


def give_up(job: Job, config: Config = None, items: Items = None, *, wait: Wait = False, force: Force = False) -> None:
    """Mark items as failed that the platform never finishes; nothing is aborted there."""
    control: dict[str, Any] = {"give-up": job}
    if items:
        control["items"] = items
    _queue(control, config, wait=wait, force=force)


def _scope(job: str | None, account: str | None, *, everything: bool) -> str | dict[str, Any]:
    if sum((job is not None, account is not None, everything)) != 1:
        fail("specify exactly one of JOB, --account A and --all")
    if job is not None:
        return job
    return {"account": account} if account is not None else {"all": True}


def _queue(control: dict[str, Any], config: Path | None, *, wait: bool, force: bool) -> None:
    settings = settings_for(config)
    _refuse_malformed(control)
    _refuse_unknown_account(control, settings)
    if not force:
        run_async(lambda: _refuse_unknown(control, settings))
    directory = settings.queue.directory

    def warn_not_synced(reason: str) -> None:
        sys.stderr.write(f"{unsynced(directory, reason)}\n")

    try:
        name = drop_controls([control], directory, not_synced=warn_not_synced)
    except OSError as error:
        fail(f"{directory / 'incoming'}: {error.strerror}: write access to this folder is required to queue a file")
    output().print(f"{next(iter(control))} requested ({name}){'' if wait else '; use --wait for confirmation'}")
    warn_without_daemon(settings, "it will be carried out")
    if wait:
        try:
            mistakes = run_async(lambda: outcome_of(name, directory))
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}: the outcome of {name} cannot be read")
        if mistakes:
            fail("\n".join(mistakes), 1)
        text, job = run_async(lambda: _carried_out(control, name, settings))
        output().print(text)
        if job is not None:
            _wait_for(job, name, settings, must_succeed="retry" in control)


async def _carried_out(control: dict[str, Any], file: str, settings: Settings) -> tuple[str, str | None]:
    """What the control did, and the job that is still to settle because of it, if there is one."""
    kind = next(iter(control))
    name: str | None = control[kind] if kind in _ENDS else None
    token = await anyio.to_thread.run_sync(control_token, settings.queue.directory / "accepted" / file)
    try:
        async with reading(settings) as store:
            outcome = await store.advance.outcome(token) if token is not None else None
            job = await store.jobs.get(name) if name is not None else None
    except (StoreError, SettingsError):
        if name is None:
            return "done", None
        return f"done; whether {name} has settled cannot be read here, see `orchestrator show {name}`", None
    text = f"done: {outcome}" if outcome else "done"
    if job is None or (job.state.settled and outcome is not None and changed_nothing(outcome)):
        return text, None
    if job.state.settled or kind != "cancel":
        return text, name
    left = sum(count for state, count in job.counts.items() if not state.final)
    text = (
        f"{name} is no longer submitted; {counted(left, 'item')} not yet aborted on the platform, see "
        f"`orchestrator show {name}`; use `orchestrator give-up {name}` if the platform never aborts them"
    )
    return text, name


def _wait_for(job: str, file: str, settings: Settings, *, must_succeed: bool) -> None:
    """Wait until a job has settled and its result lies on disk; the same as `submit --wait`."""
    waiting = Waiting(settings, (), SystemClock(), accepted={job: file})
    for settled in run_async(waiting.settled):
        output().print(f"{settled.spec.name}: {settled.state}", markup=False)
        if must_succeed and settled.state is not JobState.SUCCEEDED:
            raise typer.Exit(1)
    if waiting.lost:
        raise typer.Exit(1)


# ---------------------------------------------------------------- checks before it is queued


def _refuse_malformed(control: dict[str, Any]) -> None:
    messages = []
    for mistake in read({"version": 1, "controls": [control]}).mistakes:
        place = spell(mistake.path[2:])
        messages.append(f"{place}: {mistake.message}" if place else mistake.message)
    if messages:
        fail("\n".join(messages))


def _refuse_unknown_account(control: dict[str, Any], settings: Settings) -> None:
    scope = control.get("pause", control.get("resume"))
    account = scope.get("account") if isinstance(scope, dict) else None
    if account is not None and account not in settings.accounts:
        fail(f"unknown account {account!r}; configured accounts: {', '.join(settings.accounts)}")


async def _refuse_unknown(control: dict[str, Any], settings: Settings) -> None:
    """Fail if the job, item or batch does not exist. If the database cannot be read, warn: the daemon checks it too."""
    name = _job_in(control)
    if name is None:
        return
    try:
        async with reading(settings) as store:
            job = await store.jobs.get(name)
            if job is None:
                meant = meant_scope(next(iter(control)), name, settings.accounts)
                _unknown(f"no job is named {name!r}: {meant}" if meant else await unknown_job(store, name))
            await _refuse_unknown_items(store, job, control.get("items", ()))
            if "adopt" in control:
                await _refuse_unknown_batch(store, job, control["adopt"]["batch"])
    except NoDatabaseError as error:
        _unknown(str(error))
    except (StoreError, SettingsError) as error:
        sys.stderr.write(f"it was not checked that job {name} exists: {error}\n")


def _job_in(control: dict[str, Any]) -> str | None:
    target = next(iter(control.values()))
    if isinstance(target, dict):
        target = target.get("job")
    return target if isinstance(target, str) else None


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
    if batch.state not in ADOPTABLE_STATES:
        _unknown(
            f"batch {number} of {job.spec.name} is {batch.state}: only a blocked or unconfirmed batch can be adopted"
        )


def _unknown(text: str) -> NoReturn:
    fail(f"{text}; nothing was queued ({_FORCE})")
