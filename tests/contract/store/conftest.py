"""One suite for both databases: a store, and a scene that plays jobs on it and audits the books afterwards."""

import secrets
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
import slow_postgres
import sqlalchemy as sa
from postgres import cluster
from stages import Stage

from orchestrator.domain.model import (
    After,
    Batch,
    BatchReport,
    BatchState,
    Item,
    ItemReport,
    ItemState,
    Job,
    JobId,
    JobSpec,
    JobState,
    NewItem,
    Receipt,
    RetryPolicy,
)
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import DAY
from orchestrator.platforms.registry import KINDS
from orchestrator.store.database import upgrade
from orchestrator.store.database.engine import Database, parse
from orchestrator.store.reading.rows import counts_of
from orchestrator.store.schema import batches, events, items, jobs, metadata, outbox
from orchestrator.store.store import Observed, Store

START = 1_700_000_000_000_000


# ---------------------------------------------------------------- the databases


@pytest.fixture(scope="session", autouse=True)
def slow_servers() -> Iterator[None]:
    """A server that takes long to answer is not away."""
    with pytest.MonkeyPatch.context() as patch:
        slow_postgres.allow(patch)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of our own, with a database `newest` that has the newest schema; the server's URL."""
    with cluster() as server:
        _administer(server, "CREATE DATABASE newest TEMPLATE template0")
        anyio.run(upgrade.upgrade, f"{server}/newest")
        yield server


def _administer(server: str, command: str) -> None:
    with _administrator(server, "postgres") as engine, engine.connect() as connection:
        connection.exec_driver_sql(command)


@contextmanager
def _administrator(server: str, database: str) -> Iterator[sa.Engine]:
    url = sa.make_url(f"{server}/{database}").set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_url(newest_sqlite: Path, tmp_path: Path) -> str:
    """An empty SQLite database of this test's own."""
    path = tmp_path / "orchestrator.db"
    shutil.copyfile(newest_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def newest_postgres(postgres: str) -> Iterator[sa.Engine]:
    """What empties the database `newest`: on one connection, as a new one costs as much as the emptying."""
    with _administrator(postgres, "newest") as engine:
        yield engine


@pytest.fixture
def postgres_url(postgres: str, newest_postgres: sa.Engine) -> str:
    """An empty PostgreSQL database."""
    with newest_postgres.connect() as connection:
        connection.exec_driver_sql(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY CASCADE")
    return f"{postgres}/newest"


@pytest.fixture
def empty_postgres_url(postgres: str) -> str:
    """A PostgreSQL database without any table.

    It stays until the server goes: DROP DATABASE waits 5 s for the sessions of others, which end when they can.
    """
    name = f"bare_{secrets.token_hex(4)}"
    _administer(postgres, f"CREATE DATABASE {name} TEMPLATE template0")
    return f"{postgres}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database, on each of the two."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


# The two databases below are made once: each engine keeps the statements that it has compiled, which is most of the
# time that a test takes. Their connections are closed after each test, and their tables emptied before the next.


@pytest.fixture(scope="session")
def sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> tuple[Database, Path]:
    """An SQLite database for test after test, and its file."""
    path = tmp_path_factory.mktemp("suite") / "orchestrator.db"
    return Database.connect(parse(f"sqlite:///{path}"), read_only=False), path


@pytest.fixture(scope="session")
def postgres_database(postgres: str) -> Database:
    """A PostgreSQL database for test after test."""
    return Database.connect(parse(f"{postgres}/newest"), read_only=False)


@pytest.fixture
def clean_sqlite(sqlite_database: tuple[Database, Path], newest_sqlite: Path) -> Database:
    """The SQLite database without a row."""
    database, path = sqlite_database
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    shutil.copyfile(newest_sqlite, path)
    return database


@pytest.fixture
def clean_postgres(postgres_database: Database, postgres_url: str) -> Database:
    """The PostgreSQL database without a row."""
    return postgres_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the two databases, without a row."""
    clean: Database = request.getfixturevalue("clean_sqlite" if request.param == "sqlite" else "clean_postgres")
    return clean


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    """A store with an instance."""
    opened = Store(database)
    try:
        await opened.memory.instance("test-instance")
        yield opened
    finally:
        await opened.aclose()


# ---------------------------------------------------------------- the scene


@dataclass
class Scene:
    """Plays jobs on a store. Time goes on by a second with each act."""

    store: Store
    now: int = START
    made: int = field(default=0)

    def tick(self, seconds: int = 1) -> int:
        self.now += seconds * 1_000_000
        return self.now

    # ------------------------------------------------------------ jobs

    def spec(self, name: str = "alpha", **changes: object) -> JobSpec:
        given = {"kind": "ica.analysis_creation", "account": "ica", "project": "p", "digest": f"digest of {name}"}
        given |= {"batch_size": 2} | changes
        return JobSpec(name=name, **{"first_stage": KINDS[given["kind"]].first_stage, **given})

    def new_items(self, count: int, start: int = 1) -> list[NewItem]:
        return [
            NewItem(seq=seq, key=f"k{seq}", request=b'{"n":%d}' % seq, row=b'{"n":"%d"}' % seq)
            for seq in range(start, start + count)
        ]

    async def load(self, name: str = "alpha", items: int = 4, **spec: object) -> JobId:
        job = await self.store.jobs.load(self.spec(name, **spec), self.tick())
        await self.store.jobs.add_items(job, self.new_items(items))
        return job

    async def add(self, name: str = "alpha", items: int = 4, **spec: object) -> Job:
        """A committed job: `items` items k1, k2, … in batches of two."""
        await self.store.jobs.commit([await self.load(name, items, **spec)], self.tick())
        return await self.job(name)

    async def add_waiting(self, name: str, *after: str, accept: Sequence[JobState] = (JobState.SUCCEEDED,)) -> Job:
        return await self.add(name, items=2, after=After(jobs=after, accept=frozenset(accept)))

    async def job(self, name: str = "alpha") -> Job:
        job = await self.store.jobs.get(name)
        assert job is not None
        return job

    async def batches(self, name: str = "alpha") -> list[Batch]:
        return await self.store.batches.of_job((await self.job(name)).id)

    async def batch(self, number: int, name: str = "alpha") -> Batch:
        return next(batch for batch in await self.batches(name) if batch.number == number)

    async def items(self, name: str = "alpha") -> list[Item]:
        job = await self.job(name)
        return [item async for chunk in self.store.items.stream(job.id) for item in chunk]

    async def states(self, name: str = "alpha") -> list[str]:
        return [str(item.state) for item in await self.items(name)]

    # ------------------------------------------------------------ batches

    async def next(self, room: int = 1000, **more: object) -> Batch | None:
        return await self.store.batches.next("ica", room=room, now=self.tick(), **more)

    def submission(self, batch: Batch, body: bytes = b"body of ") -> Submission:
        """What creates a batch, with the rule of its kind."""
        links = batch.first_stage == Stage.LINK
        return Submission(
            method="POST",
            path="/create",
            headers={"key": batch.key},
            body=body + batch.key.encode(),
            resend=Resend.HARMLESS if links else Resend.SAME_KEY,
            key_life=None if links else 6 * DAY,
        )

    async def begin(self, batch: Batch | None = None) -> Batch:
        """The next batch, or this one, is being sent."""
        batch = batch or await self.next()
        assert batch is not None
        return await self.store.advance.begin(batch, self.submission(batch), user="me", now=self.tick())

    async def lost(self, batch: Batch | None = None) -> Batch:
        begun = await self.begin(batch)
        moved = await self.store.advance.lose(begun, "reset", due_at=self.now, now=self.tick())
        return moved.batch

    async def blocked(self, batch: Batch | None = None) -> Batch:
        moved = await self.store.advance.block(await self.begin(batch), "403 no right", now=self.tick())
        return moved.batch

    async def track(self, batch: Batch | None = None) -> Batch:
        """The next batch, or this one, is on the platform."""
        begun = await self.begin(batch)
        self.made += 1
        moved = await self.store.advance.confirm(begun, Receipt(f"remote-{self.made}"), now=self.tick())
        return moved.batch

    async def track_all(self) -> list[Batch]:
        tracked = []
        while (batch := await self.next()) is not None:
            tracked.append(await self.track(batch))
        return tracked

    def seen(self, batch: Batch, item: int, state: ItemState, **more: object) -> ItemReport:
        stage = Stage.LINK if batch.first_stage == Stage.LINK else Stage.ANALYSIS
        told = {"stage": stage, "status": state.upper(), "seq": item, "key": f"k{item}", "remote_id": f"object-{item}"}
        return ItemReport(batch=batch.key, state=state, **{**told, **more})

    async def apply_reports(self, *observations: object) -> Observed:
        return await self.store.advance.apply_reports(observations, now=self.tick(), account="ica")

    async def end(self, batch: Batch, state: ItemState = ItemState.SUCCEEDED, word: str | None = "DONE") -> Observed:
        """All items of the batch come to this end, and the platform gives its last word."""
        held = await self.store.items.of_batch(batch, with_request=False)
        again = {"remote_id": f"object-{batch.number}-{len(held)}"} if not held else {}
        await self.apply_reports(*(self.seen(batch, item.seq, state, **again) for item in held))
        return await self.apply_reports(BatchReport(batch.key, word, final=True))

    async def finish(self, name: str = "alpha", state: ItemState = ItemState.SUCCEEDED) -> Job:
        """Everything of every job goes out and comes to this end; returns the job named."""
        while tracked := await self.track_all():
            for batch in tracked:
                await self.end(batch, state)
        return await self.job(name)

    # ------------------------------------------------------------ the books

    async def events(self, name: str = "alpha") -> list[tuple[str, int | None, int | None, str | None, str | None]]:
        job = await self.job(name)
        query = sa.select(events.c.event, events.c.batch, events.c.seq, events.c.old, events.c.new)
        async with self.store._database.read() as connection:
            rows = await connection.execute(query.where(events.c.job == job.id).order_by(events.c.id))
            return [tuple(row) for row in rows]

    async def deliveries(self) -> list[tuple[str, int]]:
        """The results that wait to be delivered: each job with its round."""
        query = sa.select(jobs.c.name, outbox.c.round).join_from(outbox, jobs).where(outbox.c.kind == "result")
        query = query.order_by(outbox.c.due_at, outbox.c.id)
        async with self.store._database.read() as connection:
            return [(name, number) for name, number in await connection.execute(query)]

    async def audit(self) -> None:
        """The counters say what a recount says, and every row is in a state that makes sense beside the others."""
        async with self.store._database.read() as connection:
            all_jobs = (await connection.execute(sa.select(jobs))).all()
            all_batches = (await connection.execute(sa.select(batches))).all()
            all_items = (await connection.execute(sa.select(items))).all()
        for job in all_jobs:
            if job.state == JobState.LOADING or job.pruned_at is not None:
                continue
            mine = [item for item in all_items if item.job == job.id]
            leaves = [item for item in mine if not (item.found or item.superseded)]
            assert counts_of(job) == Counter(ItemState(item.state) for item in leaves), job.name
            of_job = [batch for batch in all_batches if batch.job == job.id]
            live = [batch for batch in of_job if batch.state != BatchState.SETTLED]
            if JobState(job.state).settled and job.state != JobState.SKIPPED:
                assert not live, job.name
                assert all(ItemState(item.state).final for item in mine), job.name
            else:
                assert live or job.blocked is not None, job.name
            assert {item.batch for item in mine} <= {batch.number for batch in of_job}
            for batch in of_job:
                held = [item for item in mine if item.batch == batch.number and not item.superseded]
                self._audit_batch(batch, held)

    def _audit_batch(self, batch: sa.Row, held: list[sa.Row]) -> None:
        still_open = [item for item in held if not ItemState(item.state).final]
        creating = [item for item in still_open if item.stage == Stage.CREATION]
        expected = (len(held), len(still_open), len(creating))
        assert (batch.items, batch.open, batch.creating) == expected, batch.number
        assert all(batch.first_seq <= item.seq <= batch.last_seq for item in held)
        if batch.state == BatchState.PLANNED:
            assert held
            assert {item.state for item in held} == {ItemState.PENDING}
            assert not batch.in_doubt
        if batch.state == BatchState.TRACKING:
            assert ItemState.PENDING not in {item.state for item in held}
        if batch.state == BatchState.SETTLED:
            assert not still_open
            assert batch.body is None


@pytest.fixture
async def scene(store: Store) -> AsyncIterator[Scene]:
    """A scene on each database; whatever the test did, its books must balance at the end."""
    scene = Scene(store)
    yield scene
    await scene.audit()


@pytest.fixture
def retry_twice() -> RetryPolicy:
    """Two attempts for what ended as FAILED."""
    return RetryPolicy(attempts=2, on=frozenset({"FAILED"}))


@pytest.fixture(scope="session")
def make_scene() -> type[Scene]:
    """For tests that need many stores within one test."""
    return Scene
