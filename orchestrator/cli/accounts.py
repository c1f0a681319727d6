"""`accounts`: the credentials, their budgets, and what was learnt about their platforms."""

import json
import sys
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.asking import ask
from orchestrator.cli.common import AsJson, Config, output, reading, run_async, settings_for
from orchestrator.domain.units import format_duration
from orchestrator.settings import Settings
from orchestrator.web.accounts import describe_accounts


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("accounts")(accounts)


def accounts(config: Config = None, *, as_json: AsJson = False) -> None:
    """List the accounts. Asks the daemon; when none answers, reads the database, which does not know the budgets."""
    settings = settings_for(config)
    told = _from_daemon(settings) or run_async(lambda: _from_database(settings))
    if as_json:
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
    else:
        _print(told)


def _from_daemon(settings: Settings) -> dict[str, Any] | None:
    told = ask(settings, "/api/v1/accounts")
    # Another installation's daemon may have the port while ours is down.
    ours = told is not None and (told.get("daemon") or {}).get("database") == str(settings.database)
    return told if ours else None


async def _from_database(settings: Settings) -> dict[str, Any]:
    async with reading(settings) as store:
        return await describe_accounts(settings, store)


def _print(told: dict[str, Any]) -> None:
    table = Table("account", "platform", "embedded", "budget", "used", "credential", box=None)
    for account in told["accounts"]:
        budget = account["budget"]
        table.add_row(
            account["name"],
            account["platform"],
            account["embedded"],
            f"{budget['limit']} in {format_duration(budget['per_seconds'])}",
            "-" if budget["used"] is None else str(budget["used"]),
            _credential(account),
        )
    console = output()
    console.print(table)
    for account in told["accounts"]:
        if account.get("last_error"):  # a daemon of an earlier version does not tell
            console.print(f"{account['name']}: {escape(account['last_error'])}")
    if told["daemon"] is None:
        console.print("no daemon answers: this is what the database knows", style="dim")


def _credential(account: dict[str, Any]) -> str:
    match account["closed"]:
        case None:
            return "-"
        case True:
            return f"closed: {escape(account['detail'])}"
        case _:
            return "open"
