"""Upgrade of a database of a million items from schema 0003: time, disk, and a kill half-way; also on PostgreSQL."""

import argparse
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from subprocess import Popen, TimeoutExpired
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final, TextIO

import alembic.command
import anyio
import sqlalchemy as sa

from benchmarks import report
from orchestrator.store.database import revisions, upgrade
from orchestrator.store.database.engine import parse, sync_engine
from orchestrator.store.schema import REVISION

SCHEMA: Final = "0003"
_MB: Final = 1e6
_PER_JOB: Final = 10_000
_PER_BATCH: Final = 100
_SAMPLED_EVERY: Final = 0.05
_STAMP: Final = 1_700_000_000_000_000
_REQUEST: Final = b'{"userReference":"old","pipelineId":"p","analysisInput":{"inputs":[{"dataIds":["fil.0a1b"]}]}}'
_ITEM: Final = f"WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < {_PER_JOB})"
_BATCH: Final = f"WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < {_PER_JOB // _PER_BATCH})"
_OF_A_JOB: Final = (
    f"""INSERT INTO jobs (id, name, folded, kind, account, project, engine, state, priority, digest, batch_size,
            created_at, settled_at, n_succeeded)
        VALUES (:job, :name, :name, 'ica.analysis_creation', 'ica', 'p', 'nextflow', 'succeeded', 5, 'd', {_PER_BATCH},
            {_STAMP}, {_STAMP}, {_PER_JOB})""",
    f"""INSERT INTO batches (id, job, account, number, lineage, key, state, items, open, creating, first_seq, last_seq,
            status, status_final, root)
        {_BATCH} SELECT :job || '-' || n, :job, 'ica', n, CAST(n AS TEXT), :job || '-' || n, 'settled', {_PER_BATCH},
            0, 0, {_PER_BATCH} * (n - 1) + 1, {_PER_BATCH} * n, 'SUCCEEDED', TRUE, n FROM a""",
    f"""INSERT INTO items (job, seq, key, batch, stage, state, status, remote_id, request, submitted_at, finished_at)
        {_ITEM} SELECT :job, n, 'old/s' || n, (n - 1) / {_PER_BATCH} + 1, 'analysis', 'succeeded', 'SUCCEEDED',
            :job || '-' || n, :request, {_STAMP}, {_STAMP} FROM a""",
    f"""INSERT INTO events (at, job, batch, event, old, new)
        {_BATCH} SELECT {_STAMP}, :job, n, e, 'planned', 'submitting'
            FROM a, (SELECT 'begin' AS e UNION ALL SELECT 'confirm' UNION ALL SELECT 'settle') AS each""",
    f"""INSERT INTO events (at, job, batch, seq, event, old, new)
        {_ITEM} SELECT {_STAMP}, :job, (n - 1) / {_PER_BATCH} + 1, n, 'item', 'submitted', 'succeeded' FROM a""",
)
_UPGRADE: Final = """
import sys, anyio
from orchestrator.store.database import upgrade
anyio.run(upgrade.upgrade, sys.argv[1], lambda *progress: print(*progress, flush=True))
"""


def fill(url: str, items: int) -> None:
    """A database of the earlier schema with settled jobs: an event for each item, and three for each batch."""
    engine = sync_engine(parse(url))
    with engine.begin() as connection:
        config = revisions._config()  # noqa: SLF001 - an earlier schema is made by nothing else
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, SCHEMA)
        for number in range(items // _PER_JOB):
            values = {"job": f"00000000-0000-7000-8000-{number:012d}", "name": f"old-{number}", "request": _REQUEST}
            for statement in _OF_A_JOB:
                text = sa.text(statement)
                connection.execute(text, {name: values[name] for name in text.compile().params})
    engine.dispose()


def measured(url: str, folder: Path, *, kill_at: int | None = None) -> report.Row:
    """One upgrade in a process of its own, killed once so many items are copied; its time, memory and disk."""
    before = most = _used(folder)
    begin, worked = report.real_seconds(), _spent()
    with TemporaryFile("w+") as output, Popen([sys.executable, "-c", _UPGRADE, url], stdout=output) as process:
        while _runs(process):
            most = max(most, _used(folder))
            if kill_at is not None and _copied(output) >= kill_at:
                process.kill()
                process.wait()
        seconds = report.real_seconds() - begin
        output.seek(0)
        lines = len(output.readlines())
    return {
        "exit code": process.returncode,
        "s": round(seconds, 1),
        "s of CPU": round(_spent() - worked, 1),
        "lines of progress": lines,
        "MB of memory at most": round(getrusage(RUSAGE_CHILDREN).ru_maxrss * 1024 / _MB),
        "MB of disk before": round(before / _MB),
        "at most": round(most / _MB),
        "after": round(_used(folder) / _MB),
    }


def _runs(process: "Popen[bytes]") -> bool:
    """Whether it still runs a moment later; a wait that times out is the interval."""
    try:
        process.wait(_SAMPLED_EVERY)
    except TimeoutExpired:
        return True
    return False


def _spent() -> float:
    """CPU time of the processes that were started and have ended, in seconds."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _copied(output: TextIO) -> int:
    output.seek(0)
    lines = [line.split() for line in output.read().splitlines()]
    return max((int(done) for table, done, _ in lines if table == "items"), default=0)


def _used(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sqlite_rows(folder: Path, items: int) -> list[report.Row]:
    """Killed half-way, then to the end."""
    file = folder / "orchestrator.db"
    url = f"sqlite:///{file}"
    fill(url, items)
    rows: list[report.Row] = [{"run": "killed half-way", **measured(url, folder, kill_at=items // 2)}]
    assert anyio.run(upgrade.current, url) == SCHEMA, "a killed upgrade changes nothing"
    rows.append({"run": "begun again", **measured(url, folder)})
    assert anyio.run(upgrade.check, url) == []
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (items,)
    return rows


def postgres_rows(url: str, items: int) -> list[report.Row]:
    """To the end; the size is that which the server reports."""
    fill(url, items)
    before = _size(url)
    with TemporaryDirectory() as folder:
        row = measured(url, Path(folder))
    assert anyio.run(upgrade.current, url) != SCHEMA
    kept = {name: row[name] for name in ("exit code", "s", "s of CPU", "MB of memory at most")}
    return [{"run": "PostgreSQL", **kept, "MB before": round(before / _MB), "after": round(_size(url) / _MB)}]


def _size(url: str) -> int:
    engine = sync_engine(parse(url))
    with engine.begin() as connection:
        size = int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    engine.dispose()
    return size


def main() -> None:
    """Run it and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--postgres", help="URL of an empty database")
    asked = parser.parse_args()
    report.stop_after(report.AT_MOST)
    paper = report.Report("upgrade", "upgrade of a large database")
    with TemporaryDirectory() as folder:
        rows = sqlite_rows(Path(folder), asked.items)
    paper.table(f"SQLite, {asked.items:,} items, schema {SCHEMA} to {REVISION}", rows)
    if asked.postgres:
        paper.table(f"PostgreSQL, {asked.items:,} items", postgres_rows(asked.postgres, asked.items))
    paper.close()


if __name__ == "__main__":
    main()
