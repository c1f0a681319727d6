"""Draws docs/images/*.png from what `budget` and `tracking` wrote."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks import report

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
_OURS, _OTHERS = "#1b6ca8", "#b8bec4"


def main() -> None:
    mpl.use("agg")
    IMAGES.mkdir(parents=True, exist_ok=True)
    _budget(report.read("budget"))
    _tracking(report.read("tracking"))


def _budget(document: dict[str, Any]) -> None:
    rows = next(iter(document["tables"].values()))
    servers = sorted({row["server"] for row in rows}, key=[row["server"] for row in rows].index)
    clients = sorted({row["client"] for row in rows}, key=[row["client"] for row in rows].index)
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    width = 0.8 / len(servers)
    for place, server in enumerate(servers):
        mine = {row["client"]: row for row in rows if row["server"] == server}
        at = [number + (place - (len(servers) - 1) / 2) * width for number in range(len(clients))]
        shade = 1.0 - 0.25 * place
        colours = [_OURS if client == "orchestrator" else _OTHERS for client in clients]
        axes[0].bar(at, [mine[client]["refused (429)"] for client in clients], width, color=colours, alpha=shade)
        axes[1].bar(at, [mine[client]["urgent p99 s"] for client in clients], width, color=colours, alpha=shade)
    _label(axes[0], clients, "refused requests (429) in 5 windows")
    _label(axes[1], clients, "wait of an urgent request, p99, seconds")
    figure.suptitle(f"1000 requests in 300 s under backlog; bars from dark to light: {', '.join(servers)} windows")
    figure.savefig(IMAGES / "budget.png", dpi=110)
    plt.close(figure)


def _tracking(document: dict[str, Any]) -> None:
    rows = next(iter(document["tables"].values()))
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    for axis, batches in zip(axes, (200, 2000), strict=True):
        mine = [row for row in rows if row["batches"] == batches]
        places = range(len(mine))
        colours = [_OURS if row["client"].startswith("orchestrator") else _OTHERS for row in mine]
        axis.bar([at - 0.2 for at in places], [row["seen late by, p50 s"] for row in mine], 0.4, color=colours)
        axis.bar([at + 0.2 for at in places], [row["p99 s"] for row in mine], 0.4, color=colours, alpha=0.6)
        axis.set_yscale("log")
        names = [row["client"].replace("a loop with ", "") for row in mine]
        _label(axis, names, f"{batches} batches: seconds, p50 and p99")
    figure.suptitle("How late the end of an analysis is seen: 100,000 under way, 1000 requests in 300 s")
    figure.savefig(IMAGES / "tracking.png", dpi=110)
    plt.close(figure)


def _label(axis: Axes, names: Sequence[str], title: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names], fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
