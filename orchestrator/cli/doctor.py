"""`doctor`: what keeps the daemon from its work, each with the way out."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from orchestrator.cli.accounts import from_daemon
from orchestrator.cli.checkup import credentials, daemon, machine
from orchestrator.cli.checkup.finding import Finding, Result
from orchestrator.cli.checkup.incoming import incoming
from orchestrator.cli.checkup.stored import database
from orchestrator.cli.common import AsJson, Config, output, plain, platforms, run_async
from orchestrator.cli.outcome import daemon_holds
from orchestrator.cli.program import REFUSED, WRONG_USE
from orchestrator.clock import Clock, SystemClock
from orchestrator.settings import Settings, SettingsError, find_config
from orchestrator.settings.state import make_state_directory
from orchestrator.store.errors import LockedError, StoreError
from orchestrator.store.lock import DaemonLock
from orchestrator.telemetry.redaction import Redactor

_STYLES = {Result.OK: "green", Result.WARNING: "yellow", Result.WRONG: "red"}
_FIRST_THE_FILE = "correct what the environment names, then run `orchestrator doctor` again"
_FIRST_THE_STATE = "mend what is wrong with the state folder or the database first"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(config: Config = None, *, as_json: AsJson = False) -> None:
    """Look at the configuration, folders, disks, database, daemon and credentials, and tell what to do.

    A running daemon is asked for what it knows of the accounts. Where none runs, each account sends one request within
    its budget, and no daemon can start meanwhile.
    """
    settings, findings = _configured(config)
    if settings is not None:
        findings += run_async(lambda: examine(settings, SystemClock()))
    code = exit_code(findings)
    redactor = Redactor(settings.secrets if settings else ())
    told = [_describe(finding, redactor) for finding in findings]
    if as_json:
        sys.stdout.write(json.dumps({"exit_code": code, "findings": told}, indent=1) + "\n")
    else:
        _print(told)
    raise typer.Exit(code)


def exit_code(findings: Iterable[Finding]) -> int:
    """0 when nothing is wrong, 2 when something is, 4 when a platform refuses a credential, whatever else is wrong."""
    found = list(findings)
    if any(finding.refused for finding in found):
        return REFUSED
    return WRONG_USE if any(finding.result is Result.WRONG for finding in found) else 0


async def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """Everything but the configuration itself."""
    found = machine.secrets(settings, os.environ)
    found += machine.folders(settings)
    found += machine.disks(settings)
    found += incoming(settings, clock)
    trusted = machine.certificates(os.environ)
    found += trusted
    found += await database(settings)
    if any(each.result is Result.WRONG for each in trusted):
        return found + credentials.unasked(settings, "the certificate authorities cannot be read", _FIRST_THE_FILE)
    return found + await _daemon_and_accounts(settings, clock)


def _configured(config: Path | None) -> tuple[Settings | None, list[Finding]]:
    try:
        path = find_config(config, os.environ, Path.cwd())
    except SettingsError as error:
        return None, [Finding(Result.WRONG, "configuration", each.key, each.text) for each in error.problems]
    return machine.configuration(path, os.environ, platforms())


async def _daemon_and_accounts(settings: Settings, clock: Clock) -> list[Finding]:
    """From the daemon where one runs; else by ourselves, holding its lock so that the budget stays in one process."""
    if (told := from_daemon(settings)) is not None:
        return list(daemon.answers(told, settings))
    held = daemon_holds(settings)
    if held:
        return list(daemon.silent(settings, "holds this state"))
    try:
        if (reason := machine.another_owner(settings)) is not None:
            none_runs = list(daemon.port(settings)) if held is False else []
            return [*none_runs, *credentials.unasked(settings, reason, "run this as the user of the daemon")]
        async with DaemonLock(make_state_directory(settings), settings.database.url):
            return [*daemon.port(settings), *await credentials.ask_all(settings, clock)]
    except LockedError as error:
        return list(daemon.silent(settings, str(error)))
    except (OSError, SettingsError, StoreError) as error:
        reason = f"its request could not be counted ({plain(str(error).partition(chr(10))[0])})"
        return credentials.unasked(settings, reason, _FIRST_THE_STATE)


# ---------------------------------------------------------------- telling


def _describe(finding: Finding, redactor: Redactor) -> dict[str, Any]:
    return {
        "result": finding.result.value,
        "check": finding.check,
        "subject": redactor.text(finding.subject),
        "found": redactor.text(finding.found),
        "remedy": redactor.text(finding.remedy) if finding.remedy is not None else None,
    }


def _print(findings: Iterable[dict[str, Any]]) -> None:
    console = output()
    for told in findings:
        way_out = f" - {told['remedy']}" if told["remedy"] else ""
        text = plain(f"{told['check']:<14}{told['subject']}: {told['found']}{way_out}")
        console.print(Text.assemble((f"{told['result']:<8}", _STYLES[Result(told["result"])]), f" {text}"))
