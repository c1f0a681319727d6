"""`doctor`: reports every problem that prevents the daemon from working, and how to fix it."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from orchestrator.cli.checkup import credentials, daemon, machine
from orchestrator.cli.checkup.finding import Finding, Result
from orchestrator.cli.checkup.incoming import incoming
from orchestrator.cli.checkup.scheduled_backup import scheduled_backup
from orchestrator.cli.checkup.stored import database
from orchestrator.cli.commands.accounts import from_daemon
from orchestrator.cli.invocation import AsJson, Config, output, plain, platforms, run_async
from orchestrator.cli.program import REFUSED, WRONG_USE
from orchestrator.cli.sources.file_outcome import daemon_holds
from orchestrator.clock import Clock, SystemClock
from orchestrator.settings import Settings, SettingsError, find_config
from orchestrator.settings.state import make_state_directory
from orchestrator.store.database.lock import DaemonLock
from orchestrator.store.errors import LockedError, StoreError
from orchestrator.telemetry.redaction import Redactor

_STYLES = {Result.OK: "green", Result.WARNING: "yellow", Result.WRONG: "red"}
_FIX_CERTIFICATES = "correct the file that the environment names, then run `orchestrator doctor` again"
_FIX_STATE = "fix the state folder or the database first"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(config: Config = None, *, as_json: AsJson = False) -> None:
    """Check the configuration, folders, disks, database, daemon and credentials, and report how to fix problems.

    The accounts are read from a running daemon.

    If none is running, one request per account is sent, within its budget; no daemon can start meanwhile.
    """
    settings, findings = _configured(config)
    if settings is not None:
        findings += run_async(lambda: examine(settings, SystemClock()))
    code = exit_code(findings)
    redactor = Redactor(settings.secrets if settings else ())
    described = [_describe(finding, redactor) for finding in findings]
    if as_json:
        sys.stdout.write(json.dumps({"exit_code": code, "findings": described}, indent=1) + "\n")
    else:
        _print(described)
    raise typer.Exit(code)


def exit_code(findings: Iterable[Finding]) -> int:
    """4 if a platform refuses a credential, else 2 if anything is wrong, else 0."""
    found = list(findings)
    if any(finding.refused for finding in found):
        return REFUSED
    return WRONG_USE if any(finding.result is Result.WRONG for finding in found) else 0


async def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """Run every check except that of the configuration."""
    found = machine.secrets(settings, os.environ)
    found += machine.folders(settings)
    found += machine.disks(settings)
    found += incoming(settings, clock)
    trusted = machine.certificates(os.environ)
    found += trusted
    found += await database(settings)
    found += scheduled_backup(settings, clock)
    if any(each.result is Result.WRONG for each in trusted):
        return found + credentials.unasked(settings, "the certificate authorities cannot be read", _FIX_CERTIFICATES)
    return found + await _daemon_and_accounts(settings, clock)


def _configured(config: Path | None) -> tuple[Settings | None, list[Finding]]:
    try:
        path = find_config(config, os.environ, Path.cwd())
    except SettingsError as error:
        return None, [Finding(Result.WRONG, "configuration", "config.yaml", each.text) for each in error.problems]
    return machine.configuration(path, os.environ, platforms())


async def _daemon_and_accounts(settings: Settings, clock: Clock) -> list[Finding]:
    """Ask a running daemon; if there is none, check the credentials here, holding the lock of the state directory."""
    if (document := from_daemon(settings)) is not None:
        return list(daemon.answers(document, settings))
    held = daemon_holds(settings)
    if held:
        return list(daemon.silent(settings, "it holds the lock of this state directory"))
    try:
        if (reason := machine.another_owner(settings)) is not None:
            none_runs = list(daemon.port(settings)) if held is False else []
            return [*none_runs, *credentials.unasked(settings, reason, "run this command as the daemon's user")]
        async with DaemonLock(make_state_directory(settings), settings.database.url):
            return [*daemon.port(settings), *await credentials.ask_all(settings, clock)]
    except LockedError as error:
        return list(daemon.silent(settings, str(error)))
    except (OSError, SettingsError, StoreError) as error:
        reason = f"the request could not be recorded ({plain(str(error).partition(chr(10))[0])})"
        return credentials.unasked(settings, reason, _FIX_STATE)


# ---------------------------------------------------------------- output


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
    for finding in findings:
        next_step = f" - {finding['remedy']}" if finding["remedy"] else ""
        text = plain(f"{finding['check']:<14}{finding['subject']}: {finding['found']}{next_step}")
        console.print(Text.assemble((f"{finding['result']:<8}", _STYLES[Result(finding["result"])]), f" {text}"))
