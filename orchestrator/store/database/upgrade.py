"""The schema's version, the soundness of the file, and copies of it.

An SQLite database is upgraded by the daemon's start, in one transaction. A PostgreSQL server has other
users: there `orchestrator db upgrade` does it.
"""

import contextlib
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import quote

import anyio
import anyio.lowlevel
import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from orchestrator.durable import private_file, private_folder, rename_exclusively, sync_file, sync_folder
from orchestrator.store.database.engine import advise, alone, explain, parse, sqlite_path, sync_engine
from orchestrator.store.errors import DamagedError, SchemaError, StoreError, StoreUnavailableError
from orchestrator.store.schema import REVISION

_MIB = 1024 * 1024
_MAGIC = b"SQLite format 3\x00"
_QUICK_CHECK_UP_TO = 256 * 1024 * 1024
"""Bytes up to which a start reads the whole file through: about a second."""

_ROOM = 2.5
"""Free disk space that an upgrade needs, in sizes of the database. Measured with a million items: 2.4."""

_PAGES_AT_A_TIME = 2048
_STEPS_BETWEEN_CHECKS = 100_000
"""Instructions of SQLite's machine between two tests whether a check was stopped: a few milliseconds."""

_REMEDY = "it was left as it is; move it away, and put a backup (`orchestrator db backup`) in its place"

Result = TypeVar("Result")

Progress = Callable[[str, int, int], None]
"""Called while a table is copied, with its name, the rows that are done, and all of them; in a thread."""


def unreported(table: str, done: int, total: int) -> None:
    """For callers that show no progress."""
    del table, done, total


# ---------------------------------------------------------------- what commands ask for


async def upgrade(url: str, progress: Progress = unreported) -> str:
    """Bring the database to the newest schema, making it where there is none; returns the revision.

    Raises:
        SchemaError: it is newer than the program, or not ours.
        StoreUnavailableError: its disk has no room for the copy that an upgrade makes.
    """
    return await _in_thread(lambda parsed: _upgrade(parsed, progress), parse(url))


async def current(url: str) -> str | None:
    """The revision of the database's schema; None for an empty database."""
    return await _in_thread(_revision, parse(url))


async def check(url: str) -> list[str]:
    """What is wrong with the database, by a full check; empty when it is sound and up to date."""
    return await _in_thread(_check, parse(url))


async def backup(url: str, file: Path) -> None:
    """A copy of an SQLite database as of one moment, while the daemon runs; checked and durable when this returns.

    Raises:
        StoreError: the database is on a server, or `file` exists.
        DamagedError: the copy is not sound, so `file` was not made.
    """
    stopped, failure = threading.Event(), None

    async def notice_cancellation() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    async with anyio.create_task_group() as group:  # a stop need not wait until a large database has been copied
        group.start_soon(notice_cancellation)
        try:
            await _in_thread(lambda parsed: _backup(parsed, file, stopped), parse(url))
        except Exception as error:  # noqa: BLE001 - raised below, not as a member of an exception group
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        await anyio.lowlevel.checkpoint_if_cancelled()  # that the copy was stopped is no failure then
        raise failure


async def prepare(url: sa.URL, *, state_directory: Path, read_only: bool, progress: Progress = unreported) -> None:
    """See `Store.open`, which this is the first half of."""
    if sqlite_path(url) is None:
        await _in_thread(_require_newest, url)
        return
    if not read_only:
        await anyio.to_thread.run_sync(private_folder, state_directory)
        await _in_thread(_play_back, url)
    # A reader reports damage when a read meets it, and need not wait for all of the file to be read.
    await _in_thread(_require_database if read_only else _require_sound, url)
    if read_only:
        await _in_thread(_require_newest, url)
    else:
        await _in_thread(lambda parsed: _upgrade(parsed, progress), url)


async def _in_thread(work: Callable[[sa.URL], Result], url: sa.URL) -> Result:
    return await anyio.to_thread.run_sync(work, url)  # a cancelled caller waits for the thread to end


# ---------------------------------------------------------------- revisions


@contextlib.contextmanager
def _connected(url: sa.URL) -> Iterator[sa.Connection]:
    engine = sync_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        explained = explain(error)
        if explained is None:
            raise
        raise explained from error
    finally:
        engine.dispose()


def _upgrade(url: sa.URL, progress: Progress) -> str:
    path = sqlite_path(url)
    if path is not None:
        _make_private(path)
    with _connected(url) as connection:
        alone(connection)
        if _known_revision(connection) != REVISION:
            # Alembic takes a sixth of a start to import: only the starts that need it wait for it.
            from orchestrator.store.database import revisions  # noqa: PLC0415 - as above

            if path is not None:
                _require_room(path)
            revisions.migrate(connection, progress)
            advise(connection)
    return REVISION


def _require_room(path: Path) -> None:
    """Refuse an upgrade that may fill the disk. Raises StoreUnavailableError.

    It copies tables before it drops the old ones, and both the log and then the file grow by the copies. The log that a
    killed upgrade left is overwritten.
    """
    wal = path.with_name(f"{path.name}-wal")
    written = wal.stat().st_size if wal.exists() else 0
    needed = max(0, round(_ROOM * path.stat().st_size) - written)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise StoreUnavailableError(
            f"upgrading {path} takes up to {needed // _MIB + 1} MiB more disk space, {_ROOM} times its size, and its "
            f"disk has {free // _MIB} MiB free: make room, or move the database to a larger disk; nothing was changed"
        )


def _make_private(path: Path) -> None:
    """Make the file, or take its rights from all but its owner. SQLite gives its log the rights of the database."""
    try:
        private_folder(path.parent)
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            private_file(file, make=file == path)
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be written: {error.strerror or error}") from error


def _require_newest(url: sa.URL) -> None:
    revision = _revision(url)
    if revision is None:
        raise SchemaError("the database is empty: run `orchestrator db upgrade` first")
    if _not_newer(revision) != REVISION:
        raise SchemaError(
            f"the database has schema {revision}, this program works on {REVISION}: run `orchestrator db upgrade`"
        )


def _revision(url: sa.URL) -> str | None:
    path = sqlite_path(url)
    if path is None:
        with _connected(url) as connection:
            return _known_revision(connection)
    if not path.exists():
        return None
    with _reading(path) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        _refuse_foreign(tables)
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _known_revision(connection: sa.Connection) -> str | None:
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return None
    _refuse_foreign(tables)
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    return _not_newer(str(revision)) if revision is not None else None


def _refuse_foreign(tables: set[str]) -> None:
    if "alembic_version" not in tables:
        some = ", ".join(sorted(tables)[:3])
        raise SchemaError(f"the database belongs to something else (it has {some}): give orchestrator one of its own")


def _not_newer(revision: str) -> str:
    if revision == REVISION:
        return revision
    # For a start that will be refused or migrate, and for no other.
    from orchestrator.store.database import revisions  # noqa: PLC0415 - as above

    if revision not in revisions.known():
        raise SchemaError(
            f"the database has schema {revision}, which is newer than this program: install the newer program again, "
            "or restore the backup made before it"
        )
    return revision


# ---------------------------------------------------------------- the file


def _play_back(url: sa.URL) -> None:
    """Roll back the journal that a crash left in a new database, before its write-ahead log; only a writer can."""
    path = sqlite_path(url)
    if path is None or not path.exists() or not path.with_name(f"{path.name}-journal").exists():
        return
    with _connection(path, "rw") as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _require_database(url: sa.URL) -> Path | None:
    """The file; None where there is nothing in it yet. Refuses one that is no database."""
    path = sqlite_path(url)
    if path is None or not path.exists() or path.stat().st_size == 0:
        return None
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise DamagedError(f"{path} is not an SQLite database: {_REMEDY}")
    return path


def _require_sound(url: sa.URL) -> None:
    """Refuse a file that is no sound database, before anything could write to it."""
    path = _require_database(url)
    if path is None:
        return
    small = path.stat().st_size <= _QUICK_CHECK_UP_TO
    with _reading(path) as connection:
        query = "PRAGMA quick_check(1)" if small else "SELECT 'ok' FROM sqlite_master LIMIT 1"
        row = connection.execute(query).fetchone()
    if row is not None and row[0] != "ok":
        raise DamagedError(f"{path} is damaged ({row[0]}): {_REMEDY}")


def _check(url: sa.URL) -> list[str]:
    findings = []
    try:
        findings += _full_check(url)
        _require_newest(url)
    except (DamagedError, SchemaError) as error:
        findings.append(str(error))
    return findings


def _full_check(url: sa.URL, stopped: threading.Event | None = None) -> list[str]:
    """What is wrong with the file, whatever its schema. Raises DamagedError where it is no database at all."""
    _require_sound(url)
    path = sqlite_path(url)
    if path is None or not path.exists():
        return []
    with _reading(path) as connection:
        if stopped is not None:
            connection.set_progress_handler(stopped.is_set, _STEPS_BETWEEN_CHECKS)
        said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
        orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    findings = [] if said == ["ok"] else said
    return [*findings, *(f"a row of {table} belongs to no {parent}" for table, _, parent, _ in orphans[:20])]


def _backup(url: sa.URL, file: Path, stopped: threading.Event) -> None:
    path = sqlite_path(url)
    if path is None:
        raise StoreError("the database is on a PostgreSQL server: back it up with pg_dump")
    if not path.exists():
        raise StoreError(f"there is no database at {path}")
    if file.exists():
        raise StoreError(f"{file} exists: nothing is overwritten")
    target = file.absolute()
    try:
        # In a folder of its own: SQLite makes files beside a copy that is being checked.
        with TemporaryDirectory(dir=target.parent, prefix=f".{file.name}.") as folder:
            draft = Path(folder) / file.name
            _copy(path, draft, stopped)
            _require_good_copy(path, draft, file, stopped)
            _require_wanted(path, stopped)
            draft.chmod(0o600)
            with draft.open("rb") as made:
                sync_file(made.fileno())
            private_file(draft)
            rename_exclusively(draft, target)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
    try:
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(
            f"{file} was written and is sound, but its folder could not be synced ({error.strerror or error}), so a "
            "power failure now may remove it: check the disk"
        ) from error


def _copy(path: Path, draft: Path, stopped: threading.Event) -> None:
    with _reading(path) as source, contextlib.closing(sqlite3.connect(draft)) as copy:
        # In one read transaction: otherwise SQLite begins anew whenever the daemon writes between two portions.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(copy, pages=_PAGES_AT_A_TIME, progress=lambda *_: _require_wanted(path, stopped))


def _require_wanted(path: Path, stopped: threading.Event) -> None:
    if stopped.is_set():
        raise StoreError(f"the copy of {path} was stopped")


def _require_good_copy(path: Path, draft: Path, file: Path, stopped: threading.Event) -> None:
    """An older schema is no fault: copies are made before upgrades."""
    try:
        wrong = _full_check(parse(f"sqlite:///{draft}"), stopped)
    except DamagedError as error:
        wrong = [str(error)]
    if wrong:
        damage = " ".join(wrong[0].split())
        raise DamagedError(
            f"{file} was not made: a copy of {path} is damaged ({damage}): stop the daemon, run `orchestrator db "
            "check`, and put an earlier backup in its place"
        )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that neither makes nor changes anything."""
    with _connection(path, "ro") as connection:
        yield connection


@contextlib.contextmanager
def _connection(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise DamagedError(f"{path} is damaged ({error}): {_REMEDY}") from error
        raise StoreUnavailableError(f"{path} cannot be read for the moment: {error}") from error
