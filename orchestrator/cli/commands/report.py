"""`report`: writes one page about a job for people, or opens it in the browser."""

import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.invocation import Config, fail, output, run_async, settings_for
from orchestrator.cli.sources.job_sources import knowing
from orchestrator.durable import write_whole

JobName = Annotated[str, typer.Argument(help="The job's name.", show_default=False)]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="File or folder to write to; - is stdout; default: ./JOB.html.", show_default=False
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Open it in the browser; without --output as a temporary file.")]

_STDOUT = Path("-")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(job: JobName, config: Config = None, output_: Output = None, *, open_: Open = False) -> None:
    """Write a page about a job, running or finished: how many items succeeded, why others did not, when and by whom.

    The page is one HTML file without scripts, to be read in any browser, printed or sent by mail.
    """
    if open_ and output_ == _STDOUT:
        fail("--open needs a file: name one with --output, or leave --output out")
    settings = settings_for(config)

    async def act() -> tuple[str, bytes]:
        async with knowing(settings) as source:
            described, _ = await source.job(job)
            return described["name"], await source.report(job)

    name, page = run_async(act)
    if output_ == _STDOUT:
        sys.stdout.buffer.write(page)
        return
    path = _target(name, output_, temporary=open_)
    try:
        write_whole(path, page)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror or error}; name another file with --output")
    output().print(str(path))
    if open_ and not webbrowser.open(path.absolute().as_uri()):
        fail(f"no browser could be started: open {path} on a machine that has one")


def _target(name: str, chosen: Path | None, *, temporary: bool) -> Path:
    if chosen is None:
        folder = Path(tempfile.mkdtemp(prefix="orchestrator-report-")) if temporary else Path()
        return folder / f"{name}.html"
    return chosen / f"{name}.html" if chosen.is_dir() else chosen
