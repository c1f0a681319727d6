"""Checks the database: that it exists, is intact, and has this version's schema."""

from collections.abc import Iterator, Sequence

from orchestrator.cli.checkup.finding import Finding, ok, warning, wrong
from orchestrator.cli.invocation import permission_errors, plain
from orchestrator.settings import Settings, SettingsError
from orchestrator.settings.state import state_directory
from orchestrator.store.database import upgrade as schema
from orchestrator.store.database.lock import check_pooler
from orchestrator.store.database.wal import LARGE, processes_with, wal_bytes
from orchestrator.store.errors import SchemaError, StoreError, StoreUnavailableError
from orchestrator.store.store import Store

_MIB = 1024 * 1024
_COPY = "no action is required; `orchestrator db backup FILE` makes a copy first"
_UNREACHABLE = "check that it exists, that its server is running, and that this user may access it"
_RESTORE = "stop the daemon, move the database away, and replace it with a backup (`orchestrator db backup`)"


async def database(settings: Settings) -> list[Finding]:
    """Run a full check of the database."""
    place = settings.database
    try:
        with permission_errors(settings):
            if place.path is not None and not (place.path.exists() and place.path.stat().st_size):
                return [ok("database", place, "does not exist yet; `orchestrator run` creates it")]
            await check_pooler(place.url)
            return await _checked(settings)
    except SettingsError as error:
        return [wrong("database", place, problem.text) for problem in error.problems]
    except StoreUnavailableError as error:
        return [wrong("database", place, plain(str(error)), _UNREACHABLE)]
    except StoreError as error:
        return [wrong("database", place, str(error))]


async def _checked(settings: Settings) -> list[Finding]:
    place = settings.database
    revision = await schema.current(place.url)
    faults = await schema.check(place.url)
    if not faults:
        return [ok("database", place, f"intact, schema {revision}"), *_log(settings)]
    # Alembic takes long to import: the other commands do not wait for it.
    from orchestrator.store.database.revisions import known  # noqa: PLC0415 - as above

    if place.path is not None and revision in known() and faults == await _schema_fault(settings):
        return [warning("database", place, f"has schema {revision}: the next start upgrades it", _COPY)]
    return [wrong("database", place, plain(fault), None if "`" in fault else _RESTORE) for fault in faults]


def _log(settings: Settings) -> Iterator[Finding]:
    """Warn about a write-ahead log that cannot be truncated because of a reader."""
    url = settings.database.url
    size = wal_bytes(url) or 0
    if size <= LARGE:
        return
    found = f"its write-ahead log has {size // _MIB} MiB: a long read transaction prevents it from being truncated"
    processes = ", ".join(processes_with(url))
    remedy = "end the process with the open read transaction" + (
        f"; the database is open in {processes}" if processes else ""
    )
    yield warning("database", settings.database, found, remedy)


async def _schema_fault(settings: Settings) -> Sequence[str]:
    """The schema error that opening the database raises, if any."""
    try:
        async with Store.opened(settings.database.url, state_directory=state_directory(settings), read_only=True):
            return []
    except SchemaError as error:
        return [str(error)]
