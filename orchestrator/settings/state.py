"""Where the daemon keeps what it must not forget: the lock, the slot files and, by default, the database."""

from pathlib import Path
from tempfile import TemporaryFile

from orchestrator.domain.problems import Problem, SettingsError
from orchestrator.durable import private_folder
from orchestrator.settings.model import Settings
from orchestrator.store.lock import LOCK

_SLOTS = "budget-{}.slots"


def state_directory(settings: Settings) -> Path:
    """Beside the database where that is a file, else beside the queue directory."""
    path = settings.database.path
    return path.parent if path is not None else settings.queue.directory.parent / "state"


def slot_file(state: Path, account: str) -> Path:
    """What an account has spent of its budget."""
    return state / _SLOTS.format(account)


def make_state_directory(settings: Settings) -> Path:
    """The same, made if need be, and known to take files.

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
        text = f"the state is kept in {path}, and {place} cannot be written ({error.strerror}): give our user the right"
        raise SettingsError([Problem("database", text)]) from error
    return path
