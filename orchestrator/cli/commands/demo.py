"""`demo`: runs the daemon against a simulated platform, in about a minute."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.invocation import output, run_async
from orchestrator.cli.showcase.catalog import DEMONSTRATIONS
from orchestrator.cli.showcase.demonstration import Demonstration, Sample
from orchestrator.cli.showcase.scene import KILLS, Progress, Scene
from orchestrator.cli.showcase.verdict import Verdict, judge
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.model import ItemState, Job

_REASONS_SHOWN = 5

_PLATFORMS = ", ".join(DEMONSTRATIONS)
_FIRST = next(iter(DEMONSTRATIONS))
_USUAL_ITEMS = ", ".join(f"{each.items} ({name})" for name, each in DEMONSTRATIONS.items())


def _known(name: str) -> str:
    if name not in DEMONSTRATIONS:
        raise typer.BadParameter(f"{name!r} has no demonstration; known are {_PLATFORMS}")
    return name


Platform = Annotated[str, typer.Option(help=f"The platform that is simulated: {_PLATFORMS}.", callback=_known)]
Jobs = Annotated[
    int, typer.Option(help="Number of jobs: alternately data, and the work that depends on it.", min=1, max=100)
]
Items = Annotated[
    int | None, typer.Option(help=f"Number of items in each job. Default: {_USUAL_ITEMS}.", min=1, max=10_000)
]
Chaos = Annotated[bool, typer.Option("--chaos", help="Simulate network failures, and kill the daemon five times.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(platform: Platform = _FIRST, jobs: Jobs = 4, items: Items = None, *, chaos: Chaos = False) -> None:
    """Run a simulated platform and the daemon on sample files in a temporary folder, and check the results."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-demo-"))
    demonstration = DEMONSTRATIONS[platform]
    items = items or demonstration.items
    sample_jobs = demonstration.samples(jobs, items)
    scene = Scene(demonstration, folder, sample_jobs, chaos=chaos)
    console = output()
    console.print(f"{counted(jobs, 'job')} of {counted(items, 'item')}, and one broken file, in {folder}")
    console.print(f"{_announcement(demonstration, sample_jobs, chaos=chaos)}\n")
    with Live(console=console, auto_refresh=False) as live:
        code = run_async(lambda: scene.play(lambda progress: live.update(_screen(progress), refresh=True)))
    verdict = judge(folder, sample_jobs, demonstration, scene.simulator)
    if code != 0:
        verdict.wrong.append(f"the daemon ended with exit code {code}")
    _print_verdict(verdict, scene, folder)
    if verdict.wrong:
        raise typer.Exit(1)


def _announcement(demonstration: Demonstration, sample_jobs: list[Sample], *, chaos: bool) -> str:
    """Announce the failures that are part of the demonstration."""
    text = (
        f"The simulated platform is set {demonstration.announce(sample_jobs)}, "
        "and the broken file must be rejected: this is intended."
    )
    if chaos:
        text += (
            f"\nWith --chaos it also {demonstration.chaos}. "
            f"Meanwhile the daemon is killed (SIGKILL) and restarted up to {counted(KILLS, 'time')}."
        )
    return text


def _screen(progress: Progress) -> Group:
    table = Table("job", "state", "", "succeeded", "partial", "failed", "open", box=None)
    for job in sorted(progress.jobs, key=lambda job: job.created_at):
        table.add_row(*_row(job))
    kills = f", daemon killed {counted(progress.kills, 'time')}" if progress.kills else ""
    return Group(table, Text(f"\n{counted(progress.requests, 'request')} sent{kills}", style="dim"))


def _row(job: Job) -> tuple[str | ProgressBar, ...]:
    counts = job.counts
    total = sum(counts.values())
    final = sum(count for state, count in counts.items() if state.final)
    done = (ItemState.SUCCEEDED, ItemState.PARTIAL, ItemState.FAILED)
    return (
        job.spec.name,
        job.state.value,
        ProgressBar(total=max(total, 1), completed=final, width=30),
        *(str(counts.get(state, 0)) for state in done),
        str(total - final),
    )


def _print_verdict(verdict: Verdict, scene: Scene, folder: Path) -> None:
    console = output()
    console.print()
    table = Table("check", "", box=None)
    for row in _checks(verdict, scene):
        table.add_row(*row)
    console.print(table)
    if verdict.reasons:
        reasons = Table("reasons why items did not succeed", "", box=None)
        for reason, count in verdict.reasons.most_common(_REASONS_SHOWN):
            reasons.add_row(Text(reason), str(count))
        console.print(Group("", reasons))
    for wrong in verdict.wrong[:20]:
        console.print(Text.assemble(("wrong:", "red"), f" {wrong}"))
    summary = "Some results are not as expected" if verdict.wrong else "All results are as expected"
    console.print(f"\n{summary}. All files are in {folder}")
    for name, what in (
        ("queue/results", "a JSON document, a CSV table and a report (HTML) for each job"),
        ("queue/rejected", "the broken file and its error file"),
        ("daemon.log", "the log of the daemon"),
    ):
        console.print(f"  {name:<16}{what}")


def _checks(verdict: Verdict, scene: Scene) -> Iterator[tuple[str, str]]:
    knobs = scene.simulator.knobs
    yield "requests received by the platform", str(verdict.requests)
    yield f"most requests in {knobs.per:g} s", f"{verdict.worst} of {knobs.requests} allowed"
    yield "requests refused (429)", str(verdict.refused)
    if scene.chaos:
        yield "daemon killed", str(scene.kills)
        for kind, count in scene.faults.most_common():
            yield f"fault: {kind.value.replace('_', ' ')}", counted(count, "time")
    for number, (what, made) in enumerate(verdict.created):
        yield what, f"{made}{'' if number or verdict.wrong else ', none twice'}"
    yield "items with the expected result, in agreement with the platform", f"{verdict.agreeing} of {verdict.items}"
