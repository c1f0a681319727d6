"""What is left of the budget's use where the platform is slow, or hangs here and there.

The daemon's own parts against a simulated ICA, in virtual time, asked to poll as often as they can.
"""

from collections import Counter
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import httpx

from benchmarks import fleet, report, virtual
from benchmarks.fleet import PER, REQUESTS, RTT, Distant, Fleet

BATCHES: Final = 150
HUNG: Final = 40
AIM: Final = 30.0
SECONDS: Final = 1800.0


def measure(paper: report.Report, folder: Path) -> None:
    """Pages that take ten seconds, and pages that never come; 150 batches, wanted each 30 seconds."""

    async def all_ways() -> list[report.Row]:
        launched = await fleet.launch(folder, items=BATCHES, batches=BATCHES)
        hung: set[str] = set()

        def hangs(url: httpx.URL) -> bool:
            path = url.path
            if path.endswith("/items") and len(hung) < HUNG:
                hung.add(path)
            return path in hung

        return [
            await _pages(launched, "5 to 150 ms", Distant(launched.simulator)),
            await _pages(launched, "8 to 12 s", Distant(launched.simulator, (8.0, 12.0))),
            await _pages(launched, f"5 to 150 ms; {HUNG} of {BATCHES} hang", Distant(launched.simulator, RTT, hangs)),
        ]

    paper.table(f"{BATCHES} batches, each to be polled each {AIM:g} s", virtual.run(all_ways))


async def _pages(launched: Fleet, name: str, way: Distant) -> report.Row:
    asked, budget = await launched.track("items", SECONDS, aim=AIM, way=way)
    begin = asked[0][0] + PER
    late = [name for at, name, _ in asked if at > begin]
    return {
        "an answer takes": name,
        "requests in 300 s": round(len(late) * PER / (SECONDS - PER)),
        "of": REQUESTS,
        "seconds between two polls, median": round((SECONDS - PER) / median(Counter(late).values())),
        "refused (429)": budget.snapshot().throttled,
    }


def main() -> None:
    report.options(__doc__)
    paper = report.Report("hardship", "Slow and hanging platforms")
    with TemporaryDirectory() as folder:
        measure(paper, Path(folder))
    paper.close()


if __name__ == "__main__":
    main()
