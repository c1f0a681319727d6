"""Checks the configuration, the folders and the disks, with the permissions of the current user."""

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile

from orchestrator.cli.checkup.finding import Finding, ok, warning, wrong
from orchestrator.domain.messages.counting import counted
from orchestrator.durable import open_draft, rename_exclusively
from orchestrator.engine.unsynced import CONSEQUENCE, not_synced
from orchestrator.platforms.http.trust import authorities
from orchestrator.platforms.registry import PLATFORMS, Platforms
from orchestrator.settings import Settings, SettingsError, exposed_secrets, load
from orchestrator.settings.mounts import MOUNTS, network_file_system
from orchestrator.settings.state import state_directory
from orchestrator.store.database.lock import LOCK
from orchestrator.user_names import user_name
from orchestrator.web.monitoring.health import LEAST_ROOM, without_room

_MIB = 1024 * 1024
_SYNC = "put it on a local disk or on NFS to be safe from power failures"


def configuration(
    path: Path, environ: Mapping[str, str], platforms: Platforms = PLATFORMS
) -> tuple[Settings | None, list[Finding]]:
    """Load the settings and report every mistake in them.

    Secrets that cannot be read are reported and left empty in the returned settings, so that the rest can be checked.
    """
    try:
        settings = load(path, environ, platforms=platforms)
    except SettingsError as error:
        found = [wrong("configuration", problem.key, problem.text) for problem in error.problems]
        if not any(problem.key.startswith(str(path)) for problem in error.problems):
            found.insert(0, wrong("configuration", path, f"{counted(len(found), 'mistake')}", "fix the following"))
    else:
        return settings, [ok("configuration", path, f"valid, {counted(len(settings.accounts), 'account')}")]
    try:
        return load(path, environ, for_daemon=False, platforms=platforms), found
    except SettingsError:
        return None, found


def secrets(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Report secret files that every user of this machine can read."""
    found = []
    for exposed in exposed_secrets(settings, environ):
        warned, _, remedy = exposed.rpartition(": ")
        file, _, rest = warned.partition(" can be read")
        found.append(warning("secrets", file, f"can be read{rest}", remedy))
    return found or [ok("secrets", "the files with keys and tokens", "none can be read by every user of this machine")]


def certificates(environ: Mapping[str, str]) -> list[Finding]:
    """Report which certificate authorities are trusted in this command's environment."""
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
    """Check that files can be written and moved in the daemon's folders."""
    queue = settings.queue.directory
    found = {name: folder_access("queue", queue / name) for name in ("incoming", "accepted", "rejected", "results")}
    yield from found.values()
    for target in ("accepted", "rejected"):
        both = (queue / "incoming", queue / target)
        if all(found[folder.name].result != "wrong" and folder.exists() for folder in both):
            yield _move(*both)
    yield folder_access("state", state_directory(settings))
    yield from _network(settings)


def nearest(path: Path) -> Path:
    """The path itself, or its nearest existing parent. Raises OSError if a parent cannot be accessed."""
    while not path.exists():
        path = path.parent
    return path


def folder_access(check: str, path: Path) -> Finding:
    """Check that a folder can be read and written, or be created where it is missing."""
    try:
        above = nearest(path)
        if not above.is_dir():
            return wrong(check, path, f"{above} is not a folder", "move it away, or configure another folder")
        if above != path:
            return _to_be_made(check, path, above)
        with TemporaryFile(dir=path):
            pass
        os.listdir(path)  # noqa: PTH208 - Path.iterdir reads nothing until it is iterated
    except OSError as error:
        text = f"cannot be read and written by {_current_user()} ({error.strerror or error})"
        return wrong(check, path, text, _remedy(error))
    if (reason := not_synced(path)) is not None:
        return warning(check, path, f"can be read and written, but {reason}: {CONSEQUENCE}", _SYNC)
    return ok(check, path, "can be read and written")


def _to_be_made(check: str, path: Path, above: Path) -> Finding:
    if os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        return ok(check, path, "does not exist yet; the daemon creates it")
    text = f"does not exist, and {_current_user()} may not create it in {above}"
    remedy = f"create it and grant {_current_user()} access, or run this command as the daemon's user"
    return wrong(check, path, text, remedy)


def _move(incoming: Path, target: Path) -> Finding:
    """Check that a queue file can be moved by a rename, which is atomic."""
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
        remedy = _remedy(error)
        if error.errno == errno.EXDEV:
            remedy = "the folders of the queue must be on one file system: mount the queue directory as a whole"
        return wrong("queue", subject, f"files cannot be moved ({error.strerror or error})", remedy)
    return ok("queue", subject, "files can be moved")


def _network(settings: Settings) -> Iterator[Finding]:
    """Warn about a network file system that the configuration allows."""
    path = settings.database.path
    if path is None or not settings.allow_network_file_system or not MOUNTS.exists():
        return
    kind = network_file_system(path.resolve(), MOUNTS.read_text(encoding="utf-8", errors="replace"))
    if kind is not None:
        yield warning(
            "database",
            path,
            f"is on a network file system ({kind}), allowed by allow_network_file_system",
            "make sure that only this machine ever opens it, or put it on a local disk",
        )


# ---------------------------------------------------------------- disks


def disks(settings: Settings) -> Iterator[Finding]:
    """Check the free disk space, with the same limit as the daemon's readiness."""
    for path in dict.fromkeys((settings.queue.directory, state_directory(settings))):
        try:
            folder = nearest(path)
            status = os.statvfs(folder)
            shortage = without_room([folder])
        except OSError as error:
            yield wrong("disk", path, f"the free space cannot be read ({error.strerror or error})", _remedy(error))
            continue
        free = f"{status.f_bavail * status.f_frsize // _MIB} MiB free"
        if shortage is None:
            yield ok("disk", path, free)
        else:
            least = f"at least {LEAST_ROOM // _MIB} MiB must be free"
            yield wrong("disk", path, f"{free}: {shortage}", f"{least} on a writable file system")


# ---------------------------------------------------------------- users


def another_owner(settings: Settings) -> str | None:
    """Why this user must not create files in the state directory: the daemon's user could not open them."""
    state, ours = state_directory(settings), os.geteuid()
    lock = state / LOCK
    if not lock.exists() and ours != 0:
        return None  # no daemon has run here: any user with write access may be the daemon's
    place = lock if lock.exists() else nearest(state)
    owner = place.stat().st_uid
    if owner == ours:
        return None
    return f"{place} belongs to {_user(owner)}, and the daemon could not open files written by {_current_user()}"


def _remedy(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"grant {_current_user()} access, or run this command as the daemon's user"
    return "check that the disk is mounted and writable"


def _current_user() -> str:
    return _user(os.geteuid())


def _user(number: int) -> str:
    return user_name(number) or f"user {number}"
