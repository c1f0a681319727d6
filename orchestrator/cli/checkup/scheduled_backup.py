"""Checks `backup:`: that backups can be written, that the newest one is recent, and where they lie."""

import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.cli.checkup.finding import Finding, Result, ok, warning, wrong
from orchestrator.cli.checkup.machine import folder_access, nearest
from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.engine.backups import newest_backup
from orchestrator.settings import Settings

_HOUR = 3600.0
_OLD = 2
"""Intervals after which the newest backup is reported, as by the alert rule."""

_NOW = "`orchestrator db backup FILE` makes one now"
_ELSEWHERE = "on the same disk as the database: copy the newest one to another machine"


def scheduled_backup(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Check the folder of the scheduled backups and the age of the newest, if they are configured."""
    plan, database = settings.backup, settings.database.path
    if plan is None or database is None:
        return
    access = folder_access("backup", plan.directory)
    if access.result is Result.WRONG:
        yield access
        return
    if not plan.directory.exists():
        yield _missing(access, database)
        return
    yield access
    try:
        newest = newest_backup(plan.directory, clock.now())
        shared = _device(plan.directory) == _device(database)
    except OSError as error:
        yield wrong("backup", plan.directory, f"cannot be examined ({error.strerror or error})")
        return
    if newest is not None:
        yield _newest(plan.directory, newest, plan.interval, clock)
    elif database.exists():
        yield warning(
            "backup", plan.directory, "contains no backup yet", f"the daemon makes one when it starts; {_NOW}"
        )
    if shared:
        yield ok("backup", plan.directory, _ELSEWHERE)


def _missing(access: Finding, database: Path) -> Finding:
    """A folder that the daemon will create, or one whose disk is not mounted: it cannot be seen which."""
    if not database.exists():
        return access
    remedy = f"if it is on a disk of its own, mount that; otherwise the daemon creates it when it starts; {_NOW}"
    return warning("backup", access.subject, "does not exist, so there is no backup of the database", remedy)


def _newest(folder: Path, made_at: Micros, interval: float, clock: Clock) -> Finding:
    age = (clock.now() - made_at) / SECOND
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(made_at // SECOND))
    if age <= _OLD * interval:
        return ok("backup", folder, f"the newest backup is of {made}")
    found = f"the newest backup is of {made}, {age / _HOUR:.0f} hours ago; one is due every {interval / _HOUR:g} hours"
    return warning("backup", folder, found, f"start the daemon, or read component_error of backup in its log; {_NOW}")


def _device(path: Path) -> int:
    return nearest(path).stat().st_dev
