"""`demo`: everything at work in under a minute, with nothing but this machine."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.common import counted, output, run_async
from orchestrator.cli.showcase.samples import samples
from orchestrator.cli.showcase.scene import Progress, Scene
from orchestrator.cli.showcase.verdict import Verdict, judge
from orchestrator.domain.model import ItemState, Job

Jobs = Annotated[int, typer.Option(help="Jobs: by turns links, and analyses that wait for them.", min=1, max=100)]
Items = Annotated[int, typer.Option(help="Items of each job.", min=1, max=10_000)]
Chaos = Annotated[bool, typer.Option("--chaos", help="Break the network, and kill the daemon five times.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(jobs: Jobs = 4, items: Items = 300, *, chaos: Chaos = False) -> None:
    """Run a simulated platform, the daemon and sample files in a temporary folder, and check what came of it."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-demo-"))
    scripted = samples(jobs, items)
    scene = Scene(folder, scripted, chaos=chaos)
    console = output()
    console.print(f"{counted(jobs, 'job')} of {counted(items, 'item')}, and one broken file, in {folder}\n")
    with Live(console=console, auto_refresh=False) as live:
        code = run_async(lambda: scene.play(lambda progress: live.update(_picture(progress), refresh=True)))
    verdict = judge(folder, scripted, scene.simulator)
    if code != 0:
        verdict.wrong.append(f"the daemon ended with exit code {code}")
    _tell(verdict, scene, folder)
    if verdict.wrong:
        raise typer.Exit(1)


def _picture(progress: Progress) -> Group:
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


def _tell(verdict: Verdict, scene: Scene, folder: Path) -> None:
    console = output()
    usage = scene.simulator.budget.usage.values()
    console.print()
    table = Table("what the platform says", "", box=None)
    table.add_row("requests it counted", str(sum(user.requests for user in usage)))
    table.add_row("requests it refused (429)", str(sum(user.refused for user in usage)))
    table.add_row("analyses it created", str(verdict.created))
    table.add_row("links it was asked for twice (harmless)", str(verdict.links_sent_twice))
    table.add_row("items whose result agrees with it", str(verdict.items if not verdict.wrong else "see below"))
    console.print(table)
    for wrong in verdict.wrong[:20]:
        console.print(Text.assemble(("wrong:", "red"), f" {wrong}"))
    told = "It did not end as scripted" if verdict.wrong else "Everything ended as scripted"
    console.print(f"\n{told}. Look around: {folder}")
    for name, what in (
        ("queue/results", "a JSON and a CSV for each job"),
        ("queue/rejected", "the broken file and its mistakes"),
        ("daemon.log", "what the daemon said"),
    ):
        console.print(f"  {name:<16}{what}")
