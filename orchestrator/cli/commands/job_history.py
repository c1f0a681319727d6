"""`show --history` and `show --why`: what happened to a job, and what it waits for."""

import json
import sys

from rich.text import Text

from orchestrator.cli.invocation import output, plain
from orchestrator.cli.sources.job_sources import Described, Source, begun
from orchestrator.user_names import user_name

_COLUMNS = ("at", "actor", "batch", "item", "event", "change", "detail")


async def print_history(source: Source, name: str, *, as_json: bool) -> None:
    """Print one event a line, in columns separated by tabs, or one JSON document; each chunk as it is read."""
    portions = await begun(source.history(name))
    write = sys.stdout.write
    write('{"events": [' if as_json else "\t".join(_COLUMNS) + "\n")
    first = True
    async for portion in portions:
        for event in portion:
            if as_json:
                write(("\n" if first else ",\n") + json.dumps(event))
            else:
                write("\t".join(_cells(event)) + "\n")
            first = False
    if as_json:
        write("]}\n")


async def print_why(source: Source, name: str, *, as_json: bool) -> None:
    """Print what a job waits for, those reasons first that need an operator."""
    described, by_daemon = await source.why(name)
    if as_json:
        sys.stdout.write(json.dumps(described, indent=1) + "\n")
        return
    latest = described["last_request"]
    lines = {
        "job": described["name"],
        "state": described["state"] + (f", needs {described['needs']}" if described["needs"] else ""),
    }
    rows = [*lines.items(), *(("waits for", _reason(reason)) for reason in described["reasons"])]
    rows += [
        ("unchanged since", described["unchanged_since"]),
        ("next poll", described["next_poll"]),
        ("last request", f"{latest['at']}  {latest['route']}  {latest['outcome']}" if latest else None),
        ("last error", described["last_error"]),
        ("expected end", described["expected_end"]),
        ("daemon", None if by_daemon else "none answers: its budget, polls and requests are not known"),
    ]
    console = output()
    for label, value in rows:
        if value is not None:
            console.print(Text.assemble((f"{label:>15}", "bold"), f"  {plain(value)}"))


def user(number: str | None) -> str | None:
    """The numeric id of a user, with the name if this system knows it."""
    if not number:
        return None
    name = user_name(number)
    return f"{number} ({name})" if name is not None else number


def _cells(event: Described) -> list[str]:
    change = f"{event['old'] or '-'} → {event['new'] or '-'}" if event["old"] or event["new"] else None
    values = event | {"actor": user(event["actor"]), "change": change}
    return ["-" if values[name] is None else plain(str(values[name])) for name in _COLUMNS]


def _reason(reason: Described) -> str:
    """`paused: account ica is paused: `resume` (since …, by 1000 (alice))`."""
    marks = [f"since {reason['since']}" if reason["since"] else "", f"by {user(reason['by'])}" if reason["by"] else ""]
    noted = ", ".join(filter(None, marks))
    return f"{reason['waits_for'].replace('_', ' ')}: {reason['text']}" + (f" ({noted})" if noted else "")
