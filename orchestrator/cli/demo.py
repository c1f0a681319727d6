"""`demo`: everything at work in under a minute, with nothing but this machine."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.common import counted, output, run_async
from orchestrator.cli.showcase.samples import Sample, samples
from orchestrator.cli.showcase.scene import KILLS, Progress, Scene
from orchestrator.cli.showcase.verdict import Verdict, judge
from orchestrator.domain.model import ItemState, Job

_REASONS_SHOWN = 5

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
    console.print(f"{counted(jobs, 'job')} of {counted(items, 'item')}, and one broken file, in {folder}")
    console.print(f"{_announcement(scripted, chaos=chaos)}\n")
    with Live(console=console, auto_refresh=False) as live:
        code = run_async(lambda: scene.play(lambda progress: live.update(_picture(progress), refresh=True)))
    verdict = judge(folder, scripted, scene.simulator)
    if code != 0:
        verdict.wrong.append(f"the daemon ended with exit code {code}")
    _tell(verdict, scene, folder)
    if verdict.wrong:
        raise typer.Exit(1)


def _announcement(scripted: list[Sample], *, chaos: bool) -> str:
    """What the audience would take for a fault of the program otherwise."""
    states = Counter(state for sample in scripted for state in sample.expected.values())
    failing, partial = states[ItemState.FAILED], states[ItemState.PARTIAL]
    text = (
        f"The simulated platform is set to fail {counted(failing, 'item')} and to link {partial} only in part, "
        "and the broken file must be rejected: this is part of the script."
    )
    if chaos:
        text += (
            "\nWith --chaos it also answers with errors, cuts connections after the work was done and leaves rows out "
            f"of its lists, while the daemon is killed (SIGKILL) and started again up to {counted(KILLS, 'time')}."
        )
    return text


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
    console.print()
    table = Table("what was checked", "", box=None)
    for row in _checks(verdict, scene):
        table.add_row(*row)
    console.print(table)
    if verdict.reasons:
        reasons = Table("why items did not succeed", "", box=None)
        for reason, count in verdict.reasons.most_common(_REASONS_SHOWN):
            reasons.add_row(Text(reason), str(count))
        console.print(Group("", reasons))
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


def _checks(verdict: Verdict, scene: Scene) -> Iterator[tuple[str, str]]:
    knobs = scene.simulator.knobs
    yield "requests the platform received", str(verdict.requests)
    yield f"most requests in {knobs.per:g} s", f"{verdict.worst} of {knobs.requests} allowed"
    yield "requests it refused (429)", str(verdict.refused)
    if scene.chaos:
        yield "times the daemon was killed", str(scene.kills)
        for kind, count in scene.faults.most_common():
            yield f"fault: {kind.value.replace('_', ' ')}", counted(count, "time")
    yield "analyses it created", f"{verdict.created}{'' if verdict.wrong else ', none twice'}"
    yield "links requested again (harmless)", str(verdict.links_sent_twice)
    yield "items that ended as scripted and as the platform says", f"{verdict.agreeing} of {verdict.items}"
