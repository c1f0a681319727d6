"""`accounts`: the credentials, their budgets, and what was learnt about their platforms."""

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
    """List the accounts. Asks the daemon; when none answers, reads the database, which does not know the budgets."""
    settings = settings_for(config)
    told = from_daemon(settings) or run_async(lambda: _from_database(settings))
    if as_json:
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
    else:
        _print(told)


def from_daemon(settings: Settings) -> dict[str, Any] | None:
    """What the daemon of this database tells of its accounts; None when none answers, or another."""
    told = ask(settings, "/api/v1/accounts")
    # Another installation's daemon may have the port while ours is down.
    ours = told is not None and (told.get("daemon") or {}).get("database") == str(settings.database)
    return told if ours else None


async def _from_database(settings: Settings) -> dict[str, Any]:
    async with reading(settings) as store:
        return await describe_accounts(settings, store)


def _print(told: dict[str, Any]) -> None:
    rows = [
        (
            account["name"],
            account["platform"],
            f"{account['budget']['limit']} in {format_duration(account['budget']['per_seconds'])}",
            "-" if account["budget"]["used"] is None else str(account["budget"]["used"]),
            _open_items(account),
            _credential(account),
        )
        for account in told["accounts"]
    ]
    header = ("account", "platform", "budget", "used", "open items", "credential")
    print_table(header, rows, spare=("platform",), loose="credential")
    console = output()
    for account in told["accounts"]:
        if account.get("last_error"):  # a daemon of an earlier version does not tell
            console.print(f"{account['name']}: {plain(account['last_error'])}")
    if told["daemon"] is None:
        console.print("no daemon answers: this is what the database knows", style="dim")


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
            return "open"
