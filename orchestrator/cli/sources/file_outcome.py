"""What becomes of a control that was dropped."""

import fcntl
import json
import os
from pathlib import Path

from orchestrator.clock import SystemClock
from orchestrator.settings import Settings
from orchestrator.settings.state import state_directory
from orchestrator.store.database.lock import LOCK

_POLL_INTERVAL = 0.2


def daemon_holds(settings: Settings) -> bool | None:
    """Whether a daemon holds this state; None where that cannot be told.

    On PostgreSQL it may run on another machine, and without rights on the state nothing can be seen.
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


async def outcome_of(name: str, directory: Path) -> list[str]:
    """Wait until the daemon has decided upon a control file; what it has against it, nothing when it is done."""
    clock = SystemClock()
    while (directory / "incoming" / name).exists():
        await clock.sleep(_POLL_INTERVAL)
    if (directory / "accepted" / name).exists():
        return []
    error = directory / "rejected" / f"{name}.error.json"
    try:
        mistakes = json.loads(error.read_bytes())["mistakes"]
        return [_told(mistake) for mistake in mistakes] or [f"{name} was rejected, see {error}"]
    except FileNotFoundError:
        return [f"{name} was taken out of {directory / 'incoming'} before the daemon took it in"]
    except (OSError, ValueError, LookupError, TypeError) as failure:
        return [f"{name} was rejected, and {error} cannot be read: {failure}"]


def _told(mistake: dict[str, str | None]) -> str:
    remedy = mistake["remedy"]
    return f"rejected: {mistake['message']}" + (f" - {remedy}" if remedy else "")
