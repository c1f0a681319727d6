"""What a page of 1000 items costs in CPU time, from the bytes on the wire to the commit, beside libica's parse of it.

The same bytes for all, in turns, in one process. `ours` is the whole way: gunzip, decode, hold against the rows in the
database, write the rows that changed. libica's figure is its parse alone: no decompression, no database.
"""

import gc
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from libica.openapi.v3.models import AnalysisCreationBatchItemPagedListV4

from benchmarks import report, world
from orchestrator.domain.model import Learned
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.ica.protocol.wire import CREATION_ITEMS

ROWS: Final = 1000


async def measure(paper: report.Report, folder: Path, rounds: int) -> None:
    """Fill the tables."""
    place = await world.one_batch(folder, ROWS)
    try:
        await _measure(paper, place, rounds)
    finally:
        await place.store.aclose()


async def _measure(paper: report.Report, place: world.Place, rounds: int) -> None:
    bodies = {share: _pages(place, share, rounds) for share in (0.0, 0.02, 1.0)}
    first = bodies[0.0][0]
    unzipped = gzip.decompress(first)
    theirs = _libica(unzipped)
    ours: dict[float, list[float]] = {share: [] for share in bodies}
    for share, pages in bodies.items():
        place.transport.page = pages[0]
        await _poll(place)
        for page in pages[1:]:
            place.transport.page = page
            written = place.written
            begin = report.cpu_seconds()
            changed = await _poll(place)
            ours[share].append(report.cpu_seconds() - begin)
            written = place.written - written
            if written != changed or changed != round(share * ROWS):
                raise AssertionError(f"{changed} of {share * ROWS} rows changed, {written} were written")
    with_collector = report.alternate({"libica": theirs, "decode": lambda: _decode(unzipped)}, rounds=rounds)
    gc.freeze()
    frozen = report.alternate({"libica": theirs, "decode": lambda: _decode(unzipped)}, rounds=rounds)
    gc.unfreeze()
    cost = {share: median(times) for share, times in ours.items()}
    size = f"{len(unzipped) // 1000} kB, gzip {len(first) // 1000} kB"
    spent = [(f"ours, wire to commit, {share:.0%} changed", cost[share], cost[share]) for share in bodies]
    spent.append(("ours, decode alone", with_collector["decode"], frozen["decode"]))
    spent.append(("libica, parse alone", with_collector["libica"], frozen["libica"]))
    paper.table(
        f"a page of {ROWS} items: {size}; CPU time, all threads",
        [
            {
                "what": what,
                "ms": now * 1e3,
                "of libica's parse": _part(now, with_collector),
                "ms after gc.freeze()": then * 1e3,
                "of libica's then": _part(then, frozen),
            }
            for what, now, then in spent
        ],
    )
    for name, parse in (("libica as it is", with_collector), ("libica after gc.freeze()", frozen)):
        for share in (0.0, 0.02):
            part = cost[share] / parse["libica"]
            aim = f"a page with {share:.0%} changed: at most a tenth of {name}"
            paper.verdict(aim, f"{part:.3f}", reached=part <= 0.1)
    paper.verdict("rows written = rows changed, in every page", "yes", reached=True)


def _part(cost: float, theirs: dict[str, float]) -> str:
    return f"1/{theirs['libica'] / cost:.1f}"


def _pages(place: world.Place, share: float, rounds: int) -> Sequence[bytes]:
    """Each page differs from the one before in this share of its rows."""
    return [gzip.compress(place.page(share), 6) for _ in range(rounds + 1)]


async def _poll(place: world.Place) -> int:
    """One page, as the poller handles it; returns the rows that changed."""
    result = await place.ica.poll(place.poll)
    observations = [each for each in result.observations if not isinstance(each, Learned)]
    observed = await place.store.advance.apply_reports(observations, now=place.clock.now(), account="ica")
    if len(observed.matched) != ROWS:
        raise AssertionError(f"only {len(observed.matched)} rows were understood")
    return observed.changed


def _libica(body: bytes) -> Callable[[], object]:
    text = body.decode()

    def parse() -> object:
        page = AnalysisCreationBatchItemPagedListV4.from_json(text)
        assert page is not None
        assert len(page.items or ()) == ROWS
        return page

    return parse


def _decode(body: bytes) -> int:
    return len(CREATION_ITEMS.read(Answer(200, {}, body, None)).rows)


def main() -> None:
    chosen = report.options(__doc__, rounds=15)
    paper = report.Report("page", "CPU time of a page")
    with TemporaryDirectory() as folder:
        anyio.run(measure, paper, Path(folder), chosen.rounds)
    paper.close()


if __name__ == "__main__":
    main()
