"""What can go wrong with the database.

StoreError
├── SchemaError              older or newer than the program; nothing was read or written
├── DamagedError             not a database, or a broken one; never overwritten
├── LockedError              another daemon holds this state
├── LockLostError            the lock is gone: someone else may write from now on
├── PoolerError              the PostgreSQL server is behind a pooler that takes locks from their connections
├── StoreUnavailableError    for the moment: disk full, read-only, I/O error, server away
├── InstanceError            the configured instance is not the one that the stored jobs were sent under
├── DuplicateKeyError        two items of one job have the same key
├── NameTakenError           a job of this name exists
├── AlreadySentError         a job that was to be replaced has been sent
└── ControlRefusedError      a control that asks for what cannot be done
"""

from orchestrator.domain.errors import OrchestratorError


class StoreError(OrchestratorError):
    """The root of what the store raises on purpose."""


class SchemaError(StoreError):
    """The database's schema is not the one that this program works on; the message says what to run."""


class DamagedError(StoreError):
    """The file is not an intact database; the message says what to do."""


class LockedError(StoreError):
    """Another daemon holds this state directory or database."""


class LockLostError(StoreError):
    """The advisory lock was lost: stop at once, as another daemon may start."""


class PoolerError(StoreError):
    """The database's address is that of a pooler in transaction mode, through which no lock can be held."""


class StoreUnavailableError(StoreError):
    """The database cannot be used for the moment; the same call may succeed later. Nothing was changed.

    One exception: when the connection to a PostgreSQL server breaks during COMMIT, the change may have been made.
    """


class InstanceError(StoreError):
    """The configured instance differs from the stored one while jobs exist."""


class DuplicateKeyError(StoreError):
    """Two items of one job share a key."""

    def __init__(self, key: str, first: int, second: int) -> None:
        super().__init__(f"items {first} and {second} have the same key {key!r}")
        self.key = key
        self.first = first
        self.second = second


class NameTakenError(StoreError):
    """A job of this name (without regard to case) exists."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a job named {name!r} exists")
        self.name = name


class AlreadySentError(StoreError):
    """A job that was to be replaced has been sent in the meantime, at least in part."""

    def __init__(self, name: str) -> None:
        super().__init__(f"job {name!r} has been sent, at least in part: it cannot be replaced")
        self.name = name


class ControlRefusedError(StoreError):
    """A control asks for what cannot be done; the message says why, for the person who asked."""
