"""Lets a PostgreSQL server on a busy machine take its time; as a program, `python -m orchestrator` that does so."""

from typing import Final

import pytest

from orchestrator.cli import main
from orchestrator.store.database import engine, lock, lock_proof

PROGRAM: Final = __file__
_SECONDS: Final = 600
"""As `PATIENCE` of `waiting.py`, which the program cannot import."""


def allow(patch: pytest.MonkeyPatch) -> None:
    """Wait for the answers of a server as long as a test waits for anything."""
    patch.setitem(engine._POSTGRES_CONNECT, "connect_timeout", _SECONDS)
    patch.setattr(lock, "_ANSWERS_WITHIN", float(_SECONDS))
    patch.setattr(lock_proof, "_WITHIN", float(_SECONDS))


if __name__ == "__main__":
    allow(pytest.MonkeyPatch())
    main()
