"""Compiled statements that all SQLite engines of a test process share.

An engine of SQLAlchemy keeps what it has compiled, and knows it again by its dialect object. A test that opens a store
has new engines, so it would compile each statement anew, which is most of the time that a short test takes.
"""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import LRUCache

from orchestrator.store.database import engine

ROOM = 2000
"""Statements; about three times as many as the whole program has."""


def share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all engines from now on share what they compile. All of them have the same settings."""
    compiled = LRUCache(ROOM)
    create = engine.create_async_engine

    def created(url: sa.URL, **given: object) -> AsyncEngine:
        made = create(url, **given)
        if isinstance(made.dialect, SQLiteDialect_aiosqlite):
            made.sync_engine._compiled_cache = compiled
        return made

    monkeypatch.setattr(engine, "create_async_engine", created)
    monkeypatch.setattr(SQLiteDialect_aiosqlite, "__eq__", lambda one, other: type(one) is type(other))
    monkeypatch.setattr(SQLiteDialect_aiosqlite, "__hash__", lambda one: hash(type(one)))
