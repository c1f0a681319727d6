"""The state directory: it contains the lock, the slot files and, by default, the database."""

from pathlib import Path
from tempfile import TemporaryFile

from orchestrator.domain.messages.problems import Problem, SettingsError
from orchestrator.durable import private_folder
from orchestrator.settings.model import Settings
from orchestrator.store.database.lock import LOCK

_SLOTS = "budget-{}.slots"


def state_directory(settings: Settings) -> Path:
    """The folder of the database if that is a file, else `state` beside the queue directory."""
    path = settings.database.path
    return path.parent if path is not None else settings.queue.directory.parent / "state"


def slot_file(state: Path, account: str) -> Path:
    """The file that records the requests of an account for its rate limiter."""
    return state / _SLOTS.format(account)


def make_state_directory(settings: Settings) -> Path:
    """Create the state directory if necessary, and check that it is writable.

    Raises:
        SettingsError: nothing can be written there.
    """
    path = state_directory(settings)
    try:
        private_folder(path)
        with TemporaryFile(dir=path):
            pass
        for file in (*path.glob(LOCK), *path.glob(slot_file(path, "*").name)):
            file.open("r+b").close()
    except OSError as error:
        place = error.filename or path
        text = f"{place} in the state directory is not writable ({error.strerror}): grant the daemon's user access"
        raise SettingsError([Problem("database", text)]) from error
    return path
