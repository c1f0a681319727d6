"""Finds out whether a daemon runs, and waits for the outcome of a queued control."""

import fcntl
import json
import os
import sys
from pathlib import Path

from orchestrator.clock import SystemClock
from orchestrator.intake.directory.open_file import NotReadableError, open_source
from orchestrator.settings import Settings
from orchestrator.settings.state import state_directory
from orchestrator.store.database.lock import LOCK

_POLL_INTERVAL = 0.2


def daemon_holds(settings: Settings) -> bool | None:
    """Whether a daemon holds the lock of this state directory; None if that is unknown.

    With PostgreSQL it may run on another machine, and without access to the state directory the lock cannot be read.
    """
    if settings.database.path is None:
        return None
    try:
        lock = os.open(state_directory(settings) / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def warn_without_daemon(settings: Settings, what: str) -> None:
    """Say on stderr that nothing happens before a daemon starts; `what` will be done then."""
    if daemon_holds(settings) is False:
        sys.stderr.write(f"no daemon is running on {state_directory(settings)}: {what} when one starts\n")


async def outcome_of(name: str, directory: Path) -> list[str]:
    """Wait until the daemon has processed a control file, and return the mistakes; empty if it was carried out."""
    clock = SystemClock()
    while (directory / "incoming" / name).exists():
        await clock.sleep(_POLL_INTERVAL)
    if (directory / "accepted" / name).exists():
        return []
    error = directory / "rejected" / f"{name}.error.json"
    try:
        mistakes = json.loads(error.read_bytes())["mistakes"]
        return [_text(mistake) for mistake in mistakes] or [f"{name} was rejected, see {error}"]
    except FileNotFoundError:
        return [f"{name} was removed from {directory / 'incoming'} before the daemon read it"]
    except (OSError, ValueError, LookupError, TypeError) as failure:
        return [f"{name} was rejected, and {error} cannot be read: {failure}"]


def control_token(path: Path) -> str | None:
    """The token of the first control of a file that was accepted; None where it cannot be read."""
    try:
        source = open_source(path)
    except (OSError, NotReadableError):
        return None
    try:
        return f"{source.token(lambda: None)}:0"
    finally:
        source.close()


def _text(mistake: dict[str, str | None]) -> str:
    remedy = mistake["remedy"]
    return f"rejected: {mistake['message']}" + (f" - {remedy}" if remedy else "")
