"""What all benchmarks share: a table on stdout, a JSON file beside it, and what machine it was."""

import argparse
import json
import os
import platform
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any, Final

from orchestrator.clock import SystemClock

RESULTS = Path(os.environ.get("BENCHMARK_RESULTS") or Path(__file__).parent / "results")

AT_MOST: Final = 7200
"""Seconds of real time after which a benchmark is stopped."""

Row = Mapping[str, object]


@dataclass
class Report:
    """The figures of one benchmark."""

    name: str
    title: str
    tables: dict[str, list[Row]] = field(default_factory=dict)
    verdicts: list[Row] = field(default_factory=list)

    def table(self, name: str, rows: Sequence[Row]) -> None:
        """Keep rows that have the same columns, and print them."""
        self.tables[name] = list(rows)
        print(f"\n## {name}\n")
        print(markdown(rows))

    def verdict(self, aim: str, figure: str, *, reached: bool) -> None:
        """Hold a figure against what it should be."""
        self.verdicts.append({"aim": aim, "figure": figure, "reached": "yes" if reached else "NO"})

    def close(self) -> None:
        """Print the verdicts and write everything to `results/NAME.json`."""
        if self.verdicts:
            print(f"\n## {self.title}: aims\n\n{markdown(self.verdicts)}")
        RESULTS.mkdir(exist_ok=True)
        document = {
            "benchmark": self.name,
            "title": self.title,
            "machine": machine(),
            "tables": self.tables,
            "verdicts": self.verdicts,
        }
        (RESULTS / f"{self.name}.json").write_text(json.dumps(document, indent=1) + "\n")


def read(name: str) -> dict[str, Any]:
    """What the latest run of a benchmark wrote."""
    document: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return document


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a table, columns padded so that it also reads well unrendered."""
    columns = list(rows[0])
    cells = [columns, *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    cells.insert(1, ["-" * width for width in widths])
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def quantile(values: Iterable[float], share: float) -> float:
    """The value that this share of all does not exceed; nan of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def alternate(candidates: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Median seconds of CPU time of each candidate: they take turns, so that a busy moment strikes all alike."""
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, act in candidates.items():
            begin = cpu_seconds()
            act()
            spent[name].append(cpu_seconds() - begin)
    return {name: median(times) for name, times in spent.items()}


def cpu_seconds() -> float:
    """CPU time of this process, all its threads together."""
    return time.process_time()


def real_seconds() -> float:
    """A clock for durations."""
    return SystemClock().monotonic()


def resident_bytes(pid: int | str = "self", *, peak: bool = False) -> int:
    """Memory that a process has in use now, or had at most."""
    word = "VmHWM:" if peak else "VmRSS:"
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(word))


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    libraries = ("sqlalchemy", "httpx", "msgspec", "libica", "aiolimiter", "pyrate-limiter", "sevenbridges-python")
    return {
        "cpu": f"{os.cpu_count()} x {cpu}",
        "load": f"{os.getloadavg()[2]:.1f} in the last 15 minutes",
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        **{name: _version(name) for name in libraries},
    }


def options(description: str | None, **numbers: int) -> argparse.Namespace:
    """Command line options that are all numbers: `--name N`, with these defaults. `--at-most` limits the whole run."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in {**numbers, "at_most": AT_MOST}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"default {default}")
    chosen = parser.parse_args()
    stop_after(chosen.at_most)
    return chosen


def stop_after(seconds: int) -> None:
    """End this process after so many seconds of real time, and print where it was; what is open is cleaned up."""

    def stop(_: int, frame: FrameType | None) -> None:
        traceback.print_stack(frame)
        sys.exit(f"stopped after {seconds} s without an end; --at-most N allows more")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)


def progress(text: str) -> None:
    """A line on stderr, for who waits."""
    print(text, file=sys.stderr, flush=True)


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
