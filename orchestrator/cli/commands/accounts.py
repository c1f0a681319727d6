"""`accounts`: lists the accounts with their budgets and credentials."""

import json
import sys
from typing import Any

import typer

from orchestrator.cli.invocation import AsJson, Config, output, plain, reading, run_async, settings_for
from orchestrator.cli.sources.http import ask
from orchestrator.cli.tables import print_table
from orchestrator.domain.units import format_duration
from orchestrator.settings import Settings
from orchestrator.web.api.accounts import describe_accounts


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("accounts")(accounts)


def accounts(config: Config = None, *, as_json: AsJson = False) -> None:
    """List the accounts, from the daemon or, if none answers, from the database, which lacks the use of the budgets."""
    settings = settings_for(config)
    document = from_daemon(settings) or run_async(lambda: _from_database(settings))
    if as_json:
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
    else:
        _print(document)


def from_daemon(settings: Settings, *, required: bool = False) -> dict[str, Any] | None:
    """The accounts as reported by the daemon of this database; None if it does not answer."""
    document = ask(settings, "/api/v1/accounts", required=required)
    # While this installation's daemon is down, another installation's may use the port.
    ours = document is not None and (document.get("daemon") or {}).get("database") == str(settings.database)
    return document if ours else None


async def _from_database(settings: Settings) -> dict[str, Any]:
    async with reading(settings) as store:
        return await describe_accounts(settings, store)


def _print(document: dict[str, Any]) -> None:
    rows = [
        (
            account["name"],
            account["platform"],
            f"{account['budget']['limit']} in {format_duration(account['budget']['per_seconds'])}",
            "-" if account["budget"]["used"] is None else str(account["budget"]["used"]),
            _open_items(account),
            _credential(account),
        )
        for account in document["accounts"]
    ]
    header = ("account", "platform", "budget", "used", "open items", "credential")
    print_table(header, rows, spare=("platform",), loose="credential")
    console = output()
    for account in document["accounts"]:
        name = account["name"]
        if account.get("paused"):  # missing from a daemon of an earlier version
            console.print(f"{plain(account['paused'])}: `orchestrator resume --account {name}` continues it")
        if account.get("last_error"):  # as above
            console.print(f"{name}: {plain(account['last_error'])}")
    if document["daemon"] is None:
        console.print("no daemon answers: read from the database", style="dim")


def _open_items(account: dict[str, Any]) -> str:
    places = account.get("open_items")  # as above
    return f"{places['used']} of {places['limit']}" if places else "-"


def _credential(account: dict[str, Any]) -> str:
    match account["closed"]:
        case None:
            return "-"
        case True:
            return f"closed: {plain(account['detail'])}"
        case _:
            checked = account.get("clock_skew_seconds") is not None  # as above
            return "accepted" if checked else "not checked yet"
