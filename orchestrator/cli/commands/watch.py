"""`watch`: shows the progress of jobs until they settle."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Protocol

import typer
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.invocation import Config, output, plain, run_async, settings_for
from orchestrator.cli.sources.batch_texts import batch_items, stage_status
from orchestrator.cli.sources.job_sources import Described
from orchestrator.cli.sources.progress import ProgressReader, Snapshot, settled
from orchestrator.clock import Clock, SystemClock
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.model import ItemState
from orchestrator.domain.units import rfc3339
from orchestrator.store.errors import StoreUnavailableError

_INTERVAL = 1.0
"""Seconds between two reads."""
_NO_DAEMON = "no daemon answers: read from the database"
_WIDE = 100
"""Columns of a terminal that also has room for the times."""
_MARGIN = 6
"""Lines of a terminal that are not used for rows: the header, the notes below, the prompt."""
_FEWEST = 4

Job = Annotated[str | None, typer.Argument(help="The job's name; default: all unfinished jobs.")]
Show = Callable[[Snapshot], None]


class WatchReader(Protocol):
    """Reads the progress of jobs."""

    async def read(self) -> Snapshot:
        """The current progress."""
        ...


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch")(watch)


def watch(job: Job = None, config: Config = None) -> None:
    """Show the progress of a job, or of all unfinished jobs, until they have settled; stop with Ctrl-C.

    When stdout is not a terminal, a line is printed for every change.
    """
    reader = ProgressReader(settings_for(config), job)
    with suppress(KeyboardInterrupt), _screen(one=job is not None) as show:
        run_async(lambda: follow(reader, show, SystemClock()))


async def follow(reader: WatchReader, show: Show, clock: Clock) -> None:
    """Read and show the progress until every job has settled.

    A database that is temporarily unavailable, for example during a restart of its server, is an error only at first.
    """
    last: Snapshot | None = None
    while last is None or not last.over:
        if last is not None:
            await clock.sleep(_INTERVAL)
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
        yield Lines(SystemClock())
        return
    console = output()
    with Live(console=console, auto_refresh=False) as live:
        yield lambda snapshot: live.update(render(snapshot, console, one=one), refresh=True)


# ---------------------------------------------------------------- lines


class Lines:
    """Prints a line for each change since the previous snapshot, with the time at which it was seen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._before: dict[str, str] | None = None

    def __call__(self, snapshot: Snapshot) -> None:
        """Print the changes."""
        now = _lines(snapshot)
        for subject, text in now.items():
            if (self._before or {}).get(subject) != text:
                sys.stdout.write(f"{rfc3339(self._clock.now())[:19]}Z {plain(f'{subject}: {text}')}\n")
        if not now and self._before is None:
            sys.stdout.write("no unfinished jobs\n")
        self._before = now
        sys.stdout.flush()


def _lines(snapshot: Snapshot) -> dict[str, str]:
    """Subject (a job, batch, account or the daemon) → the text to show."""
    lines = {} if snapshot.daemon or not snapshot.jobs else {"daemon": _NO_DAEMON}
    lines |= {job["name"]: ", ".join(filter(None, (_state(job), _counts(job)))) for job in snapshot.jobs}
    for batch in snapshot.batches:
        texts = (batch["state"], stage_status(batch), batch_items(batch), batch["detail"])
        lines[f"batch {batch['number']}"] = ", ".join(filter(None, texts))
    return lines | {f"account {name}": error for name, error in snapshot.account_errors.items()}


# ---------------------------------------------------------------- a terminal


def render(snapshot: Snapshot, console: Console, *, one: bool) -> RenderableType:
    """The content for a terminal, limited to its height."""
    rows = max(_FEWEST, console.height - _MARGIN)
    parts: list[RenderableType] = []
    if one:
        parts += _one(snapshot, rows)
    elif snapshot.jobs:
        parts += _all(snapshot, rows, console.width)
    else:
        parts.append(Text("no unfinished jobs"))
    parts += [Text(plain(f"account {name}: {error}"), style="red") for name, error in snapshot.account_errors.items()]
    if not snapshot.daemon:
        parts.append(Text(_NO_DAEMON, style="dim"))
    return Group(*parts)


def _all(snapshot: Snapshot, rows: int, width: int) -> list[RenderableType]:
    order = sorted(snapshot.jobs, key=lambda job: job["created_at"])  # a row keeps its place while its job changes
    if len(order) > rows:  # jobs on hold first, settled jobs last: the end of a long list is not shown
        order.sort(key=lambda job: (settled(job), job["needs"] is None, job["state"] != "running"))
    # The column is there once something is known, as it costs the others their room.
    ends = ["expected end"] if any(_end(job) for job in order[:rows]) else []
    created = ["created"] if width >= _WIDE else []
    table = _table("job", "state", "needs", "", "items", *created, *ends)
    # Names stay whole, to be copied, and other columns are wrapped for them, unless one takes half of a line.
    table.columns[0].no_wrap = max(cell_len(plain(job["name"])) for job in order[:rows]) <= width // 2
    for job in order[:rows]:
        cells = [plain(job["name"]), job["state"], job["needs"] or "-", _bar(job), _counts(job)]
        table.add_row(*cells, *(_minute(job["created_at"]) for _ in created), *(_end(job) or "-" for _ in ends))
    more = [Text(f"and {counted(len(order) - rows, 'job')} more", style="dim")] if len(order) > rows else []
    return [table, *more]


def _one(snapshot: Snapshot, rows: int) -> list[RenderableType]:
    (job,) = snapshot.jobs
    by_state = " ".join(f"{state} {number}" for state, number in Counter(b["state"] for b in snapshot.batches).items())
    head = _table("", "")
    for name, value in (
        ("job", Text(plain(job["name"]), style="bold")),
        ("state", Text(plain(_state(job)))),
        ("progress", _bar(job)),
        ("items", Text(_counts(job) or "-")),
        ("batches", Text(by_state or "-")),
    ):
        head.add_row(name, value)
    if end := _end(job):
        head.add_row("expected end", Text(end))
    head.show_header = False
    # Only the batches that have not settled, in their order.
    open_ones = [batch for batch in snapshot.batches if batch["state"] != "settled"]
    rows = max(_FEWEST, rows - head.row_count)
    table = _table("batch", "state", "status", "items", "detail")
    for batch in open_ones[:rows]:
        cells = (
            batch["number"],
            batch["state"],
            stage_status(batch) or "-",
            batch_items(batch),
            batch["detail"] or "-",
        )
        table.add_row(*(plain(str(value)) for value in cells))
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


def _end(job: Described) -> str | None:
    """The expected end, which is no better than a minute; None where it is not known."""
    end = job.get("expected_end")
    return _minute(end) if end else None


def _minute(time: str) -> str:
    """`2026-01-31 12:05 UTC`."""
    return f"{time[:16].replace('T', ' ')} UTC"


def _counts(job: Described) -> str:
    return " ".join(f"{state} {number}" for state, number in job["counts"].items())
