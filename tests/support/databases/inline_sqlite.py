"""SQLite calls in the thread of the event loop, for tests in virtual time, in which nothing runs beside a call anyway.

A call of the driver costs two switches between threads and a turn of the event loop, which is more than most
statements take. Each call has its result at once here; the calls, their order and what they store are the same.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import aiosqlite.core
import pytest


def run_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on new connections run their calls in the caller's thread. Not for several writers of one file."""
    monkeypatch.setattr(aiosqlite.core, "SimpleQueue", _Calls)
    monkeypatch.setattr(aiosqlite.core, "Thread", _NoThread)


class _Calls:
    """Takes the place of the queue of calls: runs each when it is put in."""

    def put_nowait(self, call: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        future, function = call
        try:
            result = function()
        except Exception as error:
            if future is None:
                raise
            future.set_exception(error)
        else:
            if future is not None:
                future.set_result(result)


class _NoThread:
    """Takes the place of the thread that runs the calls."""

    daemon = False

    def __init__(self, *, target: Callable[..., None], args: tuple[Any, ...]) -> None:
        del target, args

    def start(self) -> None:
        pass
