"""`watch`: how far jobs are, until they settle."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Protocol

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.invocation import Config, counted, output, plain, run_async, settings_for
from orchestrator.cli.sources.job_sources import Described
from orchestrator.cli.sources.progress import ProgressReader, Snapshot, settled
from orchestrator.clock import Clock, SystemClock
from orchestrator.domain.model import ItemState
from orchestrator.store.errors import StoreUnavailableError

_PACE = 1.0
"""Seconds between two looks."""
_NO_DAEMON = "no daemon answers: this is what the database knows"
_AROUND = 6
"""Lines of a terminal that are not for rows: the header, what is said below, the prompt."""
_FEWEST = 4

Job = Annotated[str | None, typer.Argument(help="The job's name; without it, all jobs that are not settled.")]
Show = Callable[[Snapshot], None]


class WatchReader(Protocol):
    """What knows how far the jobs are."""

    async def read(self) -> Snapshot:
        """How it is now."""
        ...


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch")(watch)


def watch(job: Job = None, config: Config = None) -> None:
    """Show the progress of a job, or of all that are not settled, until they settle; Ctrl-C ends it before.

    In a pipe it prints a line for whatever has changed.
    """
    reader = ProgressReader(settings_for(config), job)
    with suppress(KeyboardInterrupt), _screen(one=job is not None) as show:
        run_async(lambda: follow(reader, show, SystemClock()))


async def follow(reader: WatchReader, show: Show, clock: Clock) -> None:
    """Look, and show what was seen, until nothing is left to wait for.

    A database that cannot be read for the moment, as while its server starts anew, ends it only at the first look.
    """
    last: Snapshot | None = None
    while last is None or not last.over:
        if last is not None:
            await clock.sleep(_PACE)
        try:
            last = await reader.read()
        except StoreUnavailableError:
            if last is None:
                raise
            continue
        show(last)


@contextmanager
def _screen(*, one: bool) -> Iterator[Show]:
    if not sys.stdout.isatty():
        yield Lines()
        return
    console = output()
    with Live(console=console, auto_refresh=False) as live:
        yield lambda seen: live.update(picture(seen, console, one=one), refresh=True)


# ---------------------------------------------------------------- a pipe


class Lines:
    """Prints what is not as it was at the look before, a line each."""

    def __init__(self) -> None:
        self._before: dict[str, str] | None = None

    def __call__(self, seen: Snapshot) -> None:
        """Print what has changed."""
        now = _lines(seen)
        for about, told in now.items():
            if (self._before or {}).get(about) != told:
                sys.stdout.write(f"{plain(f'{about}: {told}')}\n")
        if not now and self._before is None:
            sys.stdout.write("no job is unsettled\n")
        self._before = now
        sys.stdout.flush()


def _lines(seen: Snapshot) -> dict[str, str]:
    """What is told of each thing: a job, a batch, an account, the daemon."""
    lines = {} if seen.daemon or not seen.jobs else {"daemon": _NO_DAEMON}
    lines |= {job["name"]: ", ".join(filter(None, (_state(job), _counts(job)))) for job in seen.jobs}
    for batch in seen.batches:
        told = (batch["state"], batch["status"], counted(batch["items"], "item"), batch["detail"])
        lines[f"batch {batch['number']}"] = ", ".join(filter(None, told))
    return lines | {f"account {name}": error for name, error in seen.troubles.items()}


# ---------------------------------------------------------------- a terminal


def picture(seen: Snapshot, console: Console, *, one: bool) -> RenderableType:
    """What a terminal shows, no taller than it is."""
    rows = max(_FEWEST, console.height - _AROUND)
    parts: list[RenderableType] = []
    if one:
        parts += _one(seen, rows)
    elif seen.jobs:
        parts += _all(seen, rows)
    else:
        parts.append(Text("no job is unsettled"))
    parts += [Text(plain(f"account {name}: {error}"), style="red") for name, error in seen.troubles.items()]
    if not seen.daemon:
        parts.append(Text(_NO_DAEMON, style="dim"))
    return Group(*parts)


def _all(seen: Snapshot, rows: int) -> list[RenderableType]:
    # What needs a person first, what has settled last: the end of a long list is not shown.
    order = sorted(seen.jobs, key=lambda job: (settled(job), job["needs"] is None, job["state"] != "running"))
    table = _table("job", "state", "needs", "", "items")
    for job in order[:rows]:
        table.add_row(plain(job["name"]), job["state"], job["needs"] or "-", _bar(job), _counts(job))
    more = [Text(f"and {counted(len(order) - rows, 'job')} more", style="dim")] if len(order) > rows else []
    return [table, *more]


def _one(seen: Snapshot, rows: int) -> list[RenderableType]:
    (job,) = seen.jobs
    by_state = " ".join(f"{state} {number}" for state, number in Counter(b["state"] for b in seen.batches).items())
    head = _table("", "")
    for name, value in (
        ("job", Text(plain(job["name"]), style="bold")),
        ("state", Text(plain(_state(job)))),
        ("progress", _bar(job)),
        ("items", Text(_counts(job) or "-")),
        ("batches", Text(by_state or "-")),
    ):
        head.add_row(name, value)
    head.show_header = False
    # Those that have not settled, the first of them first: there it goes on.
    open_ones = [batch for batch in seen.batches if batch["state"] != "settled"]
    rows = max(_FEWEST, rows - head.row_count)
    table = _table("batch", "state", "status", "items", "detail")
    for batch in open_ones[:rows]:
        told = (batch["number"], batch["state"], batch["status"] or "-", batch["items"], batch["detail"] or "-")
        table.add_row(*(plain(str(value)) for value in told))
    parts: list[RenderableType] = [head]
    if open_ones:
        parts += [Text(), table]
    if (more := len(open_ones) - rows) > 0:
        parts.append(Text(f"and {counted(more, 'batch')} more", style="dim"))
    return parts


def _table(*columns: str) -> Table:
    table = Table(box=None)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _bar(job: Described) -> ProgressBar:
    total = sum(job["counts"].values())
    final = sum(number for state, number in job["counts"].items() if ItemState(state).final)
    return ProgressBar(total=max(total, 1), completed=final, width=20)


def _state(job: Described) -> str:
    """`running, needs blocked: why`."""
    needs = f", needs {job['needs']}" if job["needs"] else ""
    return f"{job['state']}{needs}" + (f": {job['detail']}" if job["detail"] else "")


def _counts(job: Described) -> str:
    return " ".join(f"{state} {number}" for state, number in job["counts"].items())
