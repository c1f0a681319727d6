"""The database: there, sound, and of this version's schema."""

from collections.abc import Iterator, Sequence

from orchestrator.cli.checkup.finding import Finding, ok, warning, wrong
from orchestrator.cli.common import plain, rights_told
from orchestrator.settings import Settings, SettingsError
from orchestrator.settings.state import state_directory
from orchestrator.store import upgrade as schema
from orchestrator.store.errors import SchemaError, StoreError, StoreUnavailableError
from orchestrator.store.lock import check_pooler
from orchestrator.store.store import Store
from orchestrator.store.wal import LARGE, processes_with, wal_bytes

_MIB = 1024 * 1024
_COPY = "nothing has to be done; `orchestrator db backup FILE` makes a copy before"
_REACH = "see that it is there, that its server runs where it has one, and that we may use it"
_MEND = "stop the daemon, move the database away, and put a backup (`orchestrator db backup`) in its place"


async def database(settings: Settings) -> list[Finding]:
    """What a full check has to say of it."""
    place = settings.database
    try:
        with rights_told(settings):
            if place.path is not None and not (place.path.exists() and place.path.stat().st_size):
                return [ok("database", place, "is not there yet; `orchestrator run` makes it")]
            await check_pooler(place.url)
            return await _checked(settings)
    except SettingsError as error:
        return [wrong("database", place, problem.text) for problem in error.problems]
    except StoreUnavailableError as error:
        return [wrong("database", place, plain(str(error)), _REACH)]
    except StoreError as error:
        return [wrong("database", place, str(error))]


async def _checked(settings: Settings) -> list[Finding]:
    place = settings.database
    revision = await schema.current(place.url)
    faults = await schema.check(place.url)
    if not faults:
        return [ok("database", place, f"sound, schema {revision}"), *_log(settings)]
    # Alembic, which this needs, takes long to import: the other commands' help does not wait for it.
    from orchestrator.store.revisions import known  # noqa: PLC0415 - as above

    if place.path is not None and revision in known() and faults == await _schema_fault(settings):
        return [warning("database", place, f"has schema {revision}: the next start upgrades it", _COPY)]
    return [wrong("database", place, plain(fault), None if "`" in fault else _MEND) for fault in faults]


def _log(settings: Settings) -> Iterator[Finding]:
    """A write-ahead log that a reader keeps from being emptied."""
    url = settings.database.url
    size = wal_bytes(url) or 0
    if size <= LARGE:
        return
    found = f"its write-ahead log has {size // _MIB} MiB: a reader keeps one transaction open, so it cannot be emptied"
    processes = ", ".join(processes_with(url))
    remedy = "end the process that reads for so long" + (f"; the database is open in {processes}" if processes else "")
    yield warning("database", settings.database, found, remedy)


async def _schema_fault(settings: Settings) -> Sequence[str]:
    """What a reader has against the schema, apart from all else."""
    try:
        async with Store.opened(settings.database.url, state_directory=state_directory(settings), read_only=True):
            return []
    except SchemaError as error:
        return [str(error)]
