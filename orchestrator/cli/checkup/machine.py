"""The configuration, the folders and the disks, as the user who runs the check finds them."""

import errno
import os
import pwd
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile

from orchestrator.cli.checkup.finding import Finding, ok, warning, wrong
from orchestrator.cli.common import counted
from orchestrator.durable import open_draft, rename_exclusively
from orchestrator.engine.unsynced import CONSEQUENCE, not_synced
from orchestrator.platforms.registry import PLATFORMS, Platforms
from orchestrator.platforms.trust import authorities
from orchestrator.settings import Settings, SettingsError, exposed_secrets, load
from orchestrator.settings.mounts import MOUNTS, network_file_system
from orchestrator.settings.state import state_directory
from orchestrator.store.lock import LOCK
from orchestrator.web.health import LEAST_ROOM, without_room

_MIB = 1024 * 1024
_SYNC = "put it on a local disk, or on NFS, where that matters"


def configuration(
    path: Path, environ: Mapping[str, str], platforms: Platforms = PLATFORMS
) -> tuple[Settings | None, list[Finding]]:
    """The settings, as far as they can be had, and every mistake in them.

    Secrets that cannot be read are mistakes, and left empty in what is returned, so that the rest can be looked at.
    """
    try:
        settings = load(path, environ, platforms=platforms)
    except SettingsError as error:
        found = [wrong("configuration", problem.key, problem.text) for problem in error.problems]
        if not any(problem.key.startswith(str(path)) for problem in error.problems):
            found.insert(0, wrong("configuration", path, f"{counted(len(found), 'mistake')}", "mend what follows"))
    else:
        return settings, [ok("configuration", path, f"good, with {counted(len(settings.accounts), 'account')}")]
    try:
        return load(path, environ, for_daemon=False, platforms=platforms), found
    except SettingsError:
        return None, found


def secrets(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """The files with secrets that everybody on this machine may read."""
    found = []
    for exposed in exposed_secrets(settings, environ):
        told, _, remedy = exposed.rpartition(": ")
        file, _, rest = told.partition(" can be read")
        found.append(warning("secrets", file, f"can be read{rest}", remedy))
    return found or [ok("secrets", "the files with keys and tokens", "none can be read by every user of this machine")]


def certificates(environ: Mapping[str, str]) -> list[Finding]:
    """Which certificate authorities a platform's certificate is checked against, in this command's environment."""
    subject = "certificate authorities"
    try:
        trusted = authorities(environ)
    except SettingsError as error:
        return [wrong("certificates", problem.key, problem.text) for problem in error.problems]
    if trusted.system:
        return [ok("certificates", subject, trusted.source)]
    return [warning("certificates", subject, trusted.source, "install the package ca-certificates")]


# ---------------------------------------------------------------- folders


def folders(settings: Settings) -> Iterator[Finding]:
    """Whether files can be written where the daemon writes them, and moved as it moves them."""
    queue = settings.queue.directory
    found = {name: _folder("queue", queue / name) for name in ("incoming", "accepted", "rejected", "results")}
    yield from found.values()
    for target in ("accepted", "rejected"):
        both = (queue / "incoming", queue / target)
        if all(found[folder.name].result != "wrong" and folder.exists() for folder in both):
            yield _move(*both)
    yield _folder("state", state_directory(settings))
    yield from _network(settings)


def nearest(path: Path) -> Path:
    """The path itself, or the folder above it that is there. Raises OSError where that cannot be seen."""
    while not path.exists():
        path = path.parent
    return path


def _folder(check: str, path: Path) -> Finding:
    try:
        above = nearest(path)
        if not above.is_dir():
            return wrong(check, path, f"{above} is no folder", "move it away, or name another folder")
        if above != path:
            return _to_be_made(check, path, above)
        with TemporaryFile(dir=path):
            pass
        os.listdir(path)  # noqa: PTH208 - Path's own asks for nothing until it is walked
    except OSError as error:
        told = f"cannot be read and written by {_us()} ({error.strerror or error})"
        return wrong(check, path, told, _way_out(error))
    if (reason := not_synced(path)) is not None:
        return warning(check, path, f"can be read and written, but {reason}: {CONSEQUENCE}", _SYNC)
    return ok(check, path, "can be read and written")


def _to_be_made(check: str, path: Path, above: Path) -> Finding:
    if os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        return ok(check, path, "is not there yet; the daemon makes it")
    told = f"is not there, and {_us()} may not make it in {above}"
    return wrong(check, path, told, f"make it and give {_us()} the right, or run this as the user of the daemon")


def _move(incoming: Path, target: Path) -> Finding:
    """A queue file is moved by a rename, so that it is here or there and never in halves."""
    subject = f"{incoming} to {target.name}/"
    try:
        draft, file = open_draft(incoming / "doctor")
        file.close()
        moved = target / draft.name
        try:
            rename_exclusively(draft, moved)
        except OSError:
            draft.unlink()
            raise
        moved.unlink()
    except OSError as error:
        remedy = _way_out(error)
        if error.errno == errno.EXDEV:
            remedy = "the folders of the queue must lie on one file system: mount all of it as one"
        return wrong("queue", subject, f"files cannot be moved ({error.strerror or error})", remedy)
    return ok("queue", subject, "files can be moved")


def _network(settings: Settings) -> Iterator[Finding]:
    """A network file system that was allowed; one that was not is a mistake of the configuration."""
    path = settings.database.path
    if path is None or not settings.allow_network_file_system or not MOUNTS.exists():
        return
    kind = network_file_system(path.resolve(), MOUNTS.read_text(encoding="utf-8", errors="replace"))
    if kind is not None:
        yield warning(
            "database",
            path,
            f"is on a network file system ({kind}), as allow_network_file_system permits",
            "see that only this machine ever opens it, or put it on a local disk",
        )


# ---------------------------------------------------------------- disks


def disks(settings: Settings) -> Iterator[Finding]:
    """How much room there is where the daemon writes; it has the same bound for being ready."""
    for path in dict.fromkeys((settings.queue.directory, state_directory(settings))):
        try:
            folder = nearest(path)
            status = os.statvfs(folder)
            trouble = without_room([folder])
        except OSError as error:
            yield wrong("disk", path, f"cannot be asked for room ({error.strerror or error})", _way_out(error))
            continue
        free = f"{status.f_bavail * status.f_frsize // _MIB} MiB free"
        if trouble is None:
            yield ok("disk", path, free)
        else:
            least = f"at least {LEAST_ROOM // _MIB} MiB must be free"
            yield wrong("disk", path, f"{free}: {trouble}", f"{least} on a file system that takes writes")


# ---------------------------------------------------------------- who we are


def another_owner(settings: Settings) -> str | None:
    """Why nothing may be left behind in the state by us: the daemon, another user, could not open it afterwards."""
    state, ours = state_directory(settings), os.geteuid()
    lock = state / LOCK
    if not lock.exists() and ours != 0:
        return None  # no daemon has run here; whoever may write here may be its user
    place = lock if lock.exists() else nearest(state)
    owner = place.stat().st_uid
    if owner == ours:
        return None
    return f"{place} belongs to {_user(owner)}, and what {_us()} wrote beside it the daemon could not open"


def _way_out(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"give {_us()} the right, or run this as the user of the daemon"
    return "see that the disk is there and takes writes"


def _us() -> str:
    return _user(os.geteuid())


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
