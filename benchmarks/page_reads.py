"""What the pages cost: the time of one page in a database of a million items, and the processor time of open browsers.

The daemon's server, database and intake run in this process, without an account that anything is sent to; a writer
changes items as a sweep of polls does. The callers are another process. Latency is what a caller waits; processor time
is this process's, with browsers and without. On a machine that others use too, latency is mostly the time in which
threads were ready to run and had no core: the kernel counts it, and it is shown what is left without it.
"""

import json
import multiprocessing
import os
import socket
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
import anyio.to_thread

from benchmarks import report
from orchestrator.app import Daemon, daemon
from orchestrator.domain.model import JobSpec, NewItem
from orchestrator.settings import load
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus

JOBS: Final = 10
ITEMS: Final = 100_000
BROWSERS: Final = 20
ROUNDS: Final = 60
SECONDS: Final = 60.0
"""For which the browsers are open."""
SWEEP: Final = 1000
"""Items that the writer changes in a second."""
PAGES: Final[Mapping[str, str]] = {
    "all jobs": "/",
    "a job": "/jobs/cohort-05",
    "its last items": "/jobs/cohort-05?after=99900",
    "by state, rare": "/jobs/cohort-05?state=failed",
    "by state, none": "/jobs/cohort-05?state=aborted",
    "by platform status": "/jobs/cohort-05?status=FAILED",
    "by key, many": "/jobs/cohort-05?q=sample",
    "by key, few": "/jobs/cohort-05?q=09999",
    "by key, none": "/jobs/cohort-05?q=zzz",
    "by key and state": "/jobs/cohort-05?q=sample&state=failed",
    "history": "/jobs/cohort-05/history",
    "accounts": "/accounts",
}


def main() -> None:
    """Fill the database, then measure."""
    report.options(__doc__)
    paper = report.Report("page_reads", "Pages for operators")
    with TemporaryDirectory() as folder:
        anyio.run(_measure, paper, Path(folder))
    paper.close()


async def _measure(paper: report.Report, folder: Path) -> None:
    (folder / "state").mkdir()
    await _fill(folder / "state")
    port = _free_port()
    (folder / "key").write_text("key-of-the-benchmark\n")
    (folder / "key").chmod(0o600)
    account = {"platform": "ica", "base_url": "http://127.0.0.1:1/rest", "api_key_file": "key"}
    config = {"accounts": {"ica": account}, "server": {"listen": f"127.0.0.1:{port}"}}
    (folder / "config.yaml").write_text(json.dumps(config))
    async with daemon(load(folder / "config.yaml", {}), bus=Bus()) as running, anyio.create_task_group() as group:
        group.start_soon(_sweep, running, folder / "state/orchestrator.db")
        url = f"http://127.0.0.1:{port}"
        idle = await _cost(None)
        latency = [await _page(url, name, path, idle) for name, path in PAGES.items()]
        paper.table("one page while a sweep writes, ms", latency)
        for column, aim in (
            ("p99", "every page under 200 ms (p99)"),
            ("p99 without waits", "the same without the waits for a core"),
            ("processor", "every page under 200 ms of processor time"),
        ):
            worst = max(float(str(row[column])) for row in latency)
            paper.verdict(aim, f"{worst:.0f} ms", reached=worst < 200)
        idle = await _cost(None)
        busy = await _cost(url)
        paper.table(
            "processor time of the daemon", [{"browsers": 0, "share": idle}, {"browsers": BROWSERS, "share": busy}]
        )
        share = busy - idle
        paper.verdict(f"{BROWSERS} browsers under 2% of a core", f"{share:.2%}", reached=share < 0.02)
        group.cancel_scope.cancel()


async def _page(url: str, name: str, path: str, idle: float) -> report.Row:
    """The latency of a page, and the processor time that one rendering of it takes."""
    began, used = time.monotonic(), time.process_time()  # noqa: TID251 - real time is what is measured
    read = await _in_child(_read_page, url + path)
    own = time.process_time() - used - idle * (time.monotonic() - began)  # noqa: TID251 - as above
    times = [float(str(row["ms"])) for row in read]
    undisturbed = [float(str(row["ms"])) - float(str(row["waited"])) for row in read]
    quantiles = {"p50": report.quantile(times, 0.5), "p99": report.quantile(times, 0.99)}
    quantiles["p99 without waits"] = report.quantile(undisturbed, 0.99)
    return {"page": name} | quantiles | {"processor": round(own / len(times) * 1000, 1)}


async def _sweep(running: Daemon, database: Path) -> None:
    """Write as a sweep does: a thousand items in a transaction, once a second."""
    place = 0
    while True:
        await running.clock.sleep(1.0)
        place = (place + SWEEP) % ITEMS
        await anyio.to_thread.run_sync(_write, database, place)
        await running.store.memory.remember("ica", "sweep", str(place))


def _write(database: Path, place: int) -> None:
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(
            "UPDATE items SET status = 'IN_PROGRESS ' || ? WHERE job = (SELECT id FROM jobs WHERE name = 'cohort-00') "
            "AND seq BETWEEN ? AND ?",
            (place, place, place + SWEEP),
        )
    connection.close()


async def _cost(url: str | None) -> float:
    """The share of a core that this process takes, with browsers open at `url` or without."""
    began, used = time.monotonic(), time.process_time()  # noqa: TID251 - real time is what is measured
    if url is None:
        await anyio.sleep(SECONDS)  # noqa: TID251 - as above
    else:
        await _in_child(_browse, url)
    return (time.process_time() - used) / (time.monotonic() - began)  # noqa: TID251 - as above


async def _in_child(work: object, url: str) -> list[dict[str, object]]:
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=work, args=(url, theirs))  # type: ignore[arg-type]
    child.start()
    found: list[dict[str, object]] = await anyio.to_thread.run_sync(ours.recv)
    await anyio.to_thread.run_sync(child.join)
    return found


# ---------------------------------------------------------------- the callers


def _read_page(address: str, answer: Connection) -> None:
    _until_ready(address)
    mark = "&" if "?" in address else "?"
    rows = []
    for number in range(ROUNDS):
        before, began = _waits(), time.perf_counter()
        _get(f"{address}{mark}round={number}")  # an address of its own, so that no kept page answers
        ended, after = time.perf_counter(), _waits()
        waited = sum(waits - before.get(thread, 0.0) for thread, waits in after.items())
        rows.append({"ms": (ended - began) * 1000, "waited": waited})
    answer.send(rows)


def _waits() -> Mapping[Path, float]:
    """Milliseconds for which each thread of the daemon, and this process, was ready to run and had no core."""
    threads = [Path("/proc/self/schedstat"), *Path(f"/proc/{os.getppid()}/task").glob("*/schedstat")]
    return {thread: int(thread.read_text().split()[1]) / 1_000_000 for thread in threads}


def _browse(url: str, answer: Connection) -> None:
    """Browsers on the pages above, each asking every five seconds as the script of the page does at its fastest."""
    paths = [path for path in PAGES.values() if "?" not in path]
    tags: dict[int, str] = {}
    asked = unchanged = 0
    end = time.monotonic() + SECONDS  # noqa: TID251 - real time is what is measured
    while time.monotonic() < end:  # noqa: TID251 - as above
        for browser in range(BROWSERS):
            headers = {"X-Live": "1"} | ({"If-None-Match": tags[browser]} if browser in tags else {})
            tag = _get(url + paths[browser % len(paths)], headers)
            asked, unchanged = asked + 1, unchanged + (tag is None)
            tags[browser] = tag or tags[browser]
            time.sleep(5 / BROWSERS)
    answer.send([{"asked": asked, "unchanged": unchanged}])


def _get(address: str, headers: Mapping[str, str] | None = None) -> str | None:
    """The tag of an answer; None if nothing has changed."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers or {}), timeout=60) as got:
            got.read()
            tag: str = got.headers["ETag"]
            return tag
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 304:
            return None
        raise


def _until_ready(address: str) -> None:
    while True:
        try:
            _get(address)
        except OSError:
            time.sleep(0.1)
        else:
            return


# ---------------------------------------------------------------- the database


async def _fill(folder: Path) -> None:
    """A million items in ten jobs: a third of them running, a third succeeded, a few failed."""
    async with Store.opened(f"sqlite:///{folder}/orchestrator.db", state_directory=folder) as store:
        await store.memory.instance("benchmark")
        for number in range(JOBS):
            name = f"cohort-{number:02}"
            spec = JobSpec(
                name=name, kind="ica.analysis_creation", account="ica", project="p", digest=name, batch_size=100
            )
            job = await store.jobs.load(spec, number)
            for start in range(0, ITEMS, 2000):
                await store.jobs.add_items(job, [_item(name, at) for at in range(start, start + 2000)])
            await store.jobs.commit([job], number)
    with sqlite3.connect(folder / "orchestrator.db") as connection:
        for state, condition in (
            ("running", "seq % 3 = 0"),
            ("succeeded", "seq % 3 = 1"),
            ("failed", "seq % 33331 = 0"),
        ):
            connection.execute(
                f"UPDATE items SET state = '{state}', status = upper('{state}'), stage = 'analysis' WHERE {condition}"
            )
        for state in ("pending", "running", "succeeded", "failed"):
            count = f"SELECT count(*) FROM items WHERE items.job = jobs.id AND items.state = '{state}'"
            connection.execute(f"UPDATE jobs SET n_{state} = ({count}), state = 'running'")
        connection.execute(
            "INSERT INTO events (at, job, batch, seq, event, new) SELECT 0, job, batch, seq, 'item', 'running' "
            "FROM items WHERE job = (SELECT id FROM jobs WHERE name = 'cohort-05')"
        )
    connection.close()


def _item(name: str, number: int) -> NewItem:
    files = [f"fil.{number:032x}", f"fil.{number + 1:032x}"]
    request = {
        "userReference": f"{name}/sample-{number:06}",
        "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
        "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": files}]},
    }
    row = {"sample": f"sample-{number:06}", "r1": files[0], "r2": files[1]}
    return NewItem(number + 1, f"{name}/sample-{number:06}", json.dumps(request).encode(), json.dumps(row).encode())


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    main()
