"""The command line run in the test's own process, in a folder with a configuration and, if asked for, a database."""

import contextlib
import io
import json
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import anyio

from orchestrator.cli import program
from orchestrator.domain.model import After, JobSpec, NewItem
from orchestrator.store.store import Store

PROJECT = "11111111-1111-1111-1111-111111111111"
NOW = 1_700_000_000_000_000


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Desk:
    """A folder to run commands in."""

    folder: Path

    def __post_init__(self):
        self.config = self.folder / "config.yaml"
        account = {"platform": "ica", "base_url": "http://127.0.0.1:1/rest", "api_key_file": "key"}
        self.config.write_text(json.dumps({"accounts": {"ica": account}, "server": None}))
        self.state = self.folder / "state"
        self.database = self.state / "orchestrator.db"
        self.queue = self.folder / "queue"

    def run(self, *words):
        """Run one command; `--config` is added where it has one."""
        out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
        configured = [] if words[0] in ("simulator", "schema") else ["--config", str(self.config)]
        with (
            mock.patch.object(sys, "argv", ["orchestrator", *words, *configured]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                program.run(program.build(words))
                code = 0
            except SystemExit as end:
                code = end.code
        return Ended(code, out.buffer.getvalue().decode(), err.getvalue())

    # ------------------------------------------------------------ the database

    def fill(self, *jobs):
        """Make a database with these jobs."""

        async def act():
            async with self.store() as store:
                await store.memory.instance("test")
                for spec, items in jobs:
                    load = await store.jobs.load(spec, NOW)
                    await store.jobs.add_items(load, [NewItem(n, f"fil.{n}", b"{}") for n in range(1, items + 1)])
                    await store.jobs.commit([load], NOW)

        anyio.run(act)

    def store(self):
        return Store.opened(f"sqlite:///{self.database}", state_directory=self.state)

    def sql(self, text):
        """Change the database behind everybody's back."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.execute(text)
            connection.commit()

    def damage(self):
        """Spoil one page in the middle, where no look at the schema comes by."""
        size = self.database.stat().st_size
        with self.database.open("r+b") as file:
            file.seek(size // 2 // 4096 * 4096)
            file.write(b"\xff" * 4096)

    # ------------------------------------------------------------ the queue

    @property
    def dropped(self):
        """The controls that lie in incoming/."""
        files = sorted(self.queue.glob("incoming/control-*"))
        return [control for file in files for control in json.loads(file.read_text())["controls"]]


def job(name, items=2, *, after=None, **fields):
    """What `fill` takes: a job of so many links."""
    told = {
        "kind": "ica.data_linking",
        "account": "ica",
        "project": PROJECT,
        "digest": f"digest-{name}",
        "after": After(tuple(after)) if after else None,
        "batch_size": 1000,
        "dropped_by": "0",
    }
    return JobSpec(name=name, **(told | fields)), items
