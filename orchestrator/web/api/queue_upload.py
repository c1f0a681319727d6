"""`POST /api/v1/queue`: queues a file, alone or with its tables, and answers when it was accepted or rejected.

The body is streamed into a hidden file in incoming/, which is then renamed and read like any queue file. After a crash
or a lost answer, the request can be repeated: the same jobs sent again change nothing.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.to_thread
import msgspec
from fastapi import Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from orchestrator.intake.directory.dropping import Draft, Placed, begin_draft
from orchestrator.intake.directory.open_file import Source
from orchestrator.intake.error_file import as_object
from orchestrator.telemetry.events import DaemonStopping, Event, FileAccepted, FileDeferred, FileRejected
from orchestrator.web.api.responses import Problems, document
from orchestrator.web.api.upload_parts import Parts, UploadError, parts_of
from orchestrator.web.components import Shown
from orchestrator.web.guard import FORM, QUEUE_FILE_SUFFIXES, content_type

ANSWER_WITHIN = 90.0
"""Seconds to wait for the outcome: more than a queue file waits for its table."""
_PIECE = 1024 * 1024
_TABLE = b"table"
"""The key that names a table; a file without these letters names none and is read only once."""

Name = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="What the file is called in accepted/ or rejected/; a few characters and the ending are added.",
    ),
]


class _Filled(Enum):
    """How the body was received."""

    YES = auto()
    NAMES_TABLE = auto()
    """Complete, and it may name a table."""
    TOO_LARGE = auto()


@dataclass(slots=True)
class Waiting:
    """One file whose outcome a request waits for."""

    over: anyio.Event = field(default_factory=anyio.Event)
    verdict: FileAccepted | FileRejected | None = None
    reason: str = "it is not decided yet"
    """Why there is no outcome yet."""
    not_synced: str = ""
    """Suffix of the reason if a power failure may still remove the file from incoming/."""


class Verdicts:
    """A subscriber of the bus that passes the outcome of a file to the request that waits for it."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case FileAccepted() | FileRejected():
                if waiting := self._waiting.get(event.file):
                    waiting.verdict = event
                    waiting.over.set()
            case FileDeferred():
                if waiting := self._waiting.get(event.file):
                    waiting.reason = event.reason
            case DaemonStopping():
                for waiting in self._waiting.values():
                    waiting.reason = "the daemon is stopping; it is taken up at the next start"
                    waiting.over.set()
            case _:
                pass  # not about a file

    @contextmanager
    def of(self, file: str) -> Iterator[Waiting]:
        """Wait for the outcome of a file that is about to be queued."""
        waiting = self._waiting[file] = Waiting()
        try:
            yield waiting
        finally:
            del self._waiting[file]


class Inbox:
    """Receives queue files."""

    def __init__(self, shown: Shown, problems: Problems) -> None:
        self._directory = shown.settings.queue.directory
        self._spool = shown.spool
        self._most = shown.settings.queue.max_bytes
        self._problems = problems
        self._verdicts = Verdicts()
        shown.bus.subscribe(self._verdicts)

    async def post(self, request: Request, name: Name = None) -> Response:
        """Submit a queue file; answers when its jobs are durable, or with every mistake."""
        if _announced(request) > self._most:
            return self._too_large()
        kind = content_type(request.headers)
        try:
            if kind == FORM:
                async with parts_of(request, self._most) as parts:
                    return await self._post(name, parts.suffix, partial(self._drop_parts, parts))
            return await self._post(name, QUEUE_FILE_SUFFIXES[kind], partial(self._drop, request.stream()))
        except (UploadError, OSError, ClientDisconnect) as error:
            return self._not_taken(error)

    def _not_taken(self, error: Exception) -> Response:
        match error:
            case UploadError(status=status):
                return self._problems.answer(status, str(error))
            case FileExistsError():
                text = f"a file named {Path(error.filename2 or error.filename or '').name} lies in incoming/ already"
                return self._problems.answer(409, f"{text}; nothing was taken, send it again in a moment")
            case OSError():
                text = f"the queue directory cannot be written to: {error.strerror or error}; nothing was taken"
                return self._problems.answer(503, text, headers={"Retry-After": "5"})
            case _:
                return self._problems.answer(400, "the request ended early; nothing was taken")

    async def _post(
        self, name: str | None, suffix: str, drop: Callable[[str, Waiting], Awaitable[Response | None]]
    ) -> Response:
        """Drop a file under a name of its own, and wait for what becomes of it."""
        file = f"{name or 'api'}-{secrets.token_hex(6)}{suffix}"
        with self._verdicts.of(file) as waiting, self._spool.expecting(file):
            if (refusal := await drop(file, waiting)) is not None:
                return refusal
            with anyio.move_on_after(ANSWER_WITHIN):
                await waiting.over.wait()
            return await self._answer(file, waiting)

    async def _drop_parts(self, parts: Parts, file: str, waiting: Waiting) -> Response | None:
        """Write the queue file and its tables under hidden names, check them, then give all of them their own names."""
        drafts: dict[str, Draft] = {}
        try:
            for each, upload in ((file, parts.queue_file), *parts.tables.items()):
                drafts[each] = await anyio.to_thread.run_sync(Draft, self._directory / "incoming" / each)
                while piece := await upload.read(_PIECE):
                    await anyio.to_thread.run_sync(drafts[each].write, piece)
            if (refusal := await self._mistaken(file, drafts)) is not None:
                return refusal
            placed = await anyio.to_thread.run_sync(_place, file, drafts, self._directory / "incoming")
            if placed.not_synced is not None:
                waiting.not_synced = f"; incoming/ could not be synced ({placed.not_synced})"
            return None
        finally:
            with anyio.CancelScope(shield=True):
                for draft in drafts.values():
                    await anyio.to_thread.run_sync(draft.discard)

    async def _mistaken(self, file: str, drafts: Mapping[str, Draft]) -> Response | None:
        """Refuse a queue file with mistakes, before any table lies where another file could claim it."""
        sources: dict[str, Source] = {}
        try:
            for each, draft in drafts.items():
                sources[each] = await anyio.to_thread.run_sync(draft.reread)
            tables = {name: source for name, source in sources.items() if name != file}
            with await self._spool.review(sources[file], tables.get) as report:
                for name in sorted(tables.keys() - set(report.tables)):
                    report.mistakes.add(
                        "is a table that the queue file does not name", "name it in `table:`", file=name
                    )
                mistakes = [as_object(mistake) for mistake in report.mistakes]
                total, more = report.mistakes.total, report.mistakes.more
            return self._refused(total, file, mistakes, more) if total else None
        finally:
            for source in sources.values():
                source.close()

    async def _drop(self, body: AsyncIterator[bytes], file: str, waiting: Waiting) -> Response | None:
        """Write the body into incoming/; on failure, remove it and return the reason."""
        draft = await anyio.to_thread.run_sync(begin_draft, file, self._directory)
        try:
            filled = await self._fill(draft, body)
            if filled is _Filled.TOO_LARGE:
                return self._too_large()
            if filled is _Filled.NAMES_TABLE and (refusal := await self._without_tables(file, draft)):
                return refusal
            placed = await anyio.to_thread.run_sync(draft.finish)
            if placed.not_synced is not None:
                waiting.not_synced = f"; incoming/ could not be synced ({placed.not_synced})"
            return None
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(draft.discard)

    async def _fill(self, draft: Draft, body: AsyncIterator[bytes]) -> _Filled:
        held, size, tail, named = bytearray(), 0, b"", False
        async for piece in body:
            held += piece
            size += len(piece)
            if size > self._most:
                return _Filled.TOO_LARGE
            if len(held) >= _PIECE:
                named = named or _TABLE in tail + held
                tail = bytes(held[-len(_TABLE) :])
                await anyio.to_thread.run_sync(draft.write, bytes(held))
                held.clear()
        named = named or _TABLE in tail + held
        await anyio.to_thread.run_sync(draft.write, bytes(held))
        return _Filled.NAMES_TABLE if named else _Filled.YES

    async def _without_tables(self, file: str, draft: Draft) -> Response | None:
        """Refuse a file that names a table, as the table cannot be sent with it."""
        source = await anyio.to_thread.run_sync(draft.reread)
        try:
            with await self._spool.review(source) as report:
                if not report.tables:
                    return None
                mistakes = [as_object(mistake) for mistake in report.mistakes]
                return self._refused(report.mistakes.total, file, mistakes, report.mistakes.more)
        finally:
            source.close()

    async def _answer(self, file: str, waiting: Waiting) -> Response:
        match waiting.verdict:
            case FileAccepted(jobs=jobs, items=items, note=note, notes=notes):
                headers = {"Location": f"/api/v1/jobs/{jobs[0]}"} if len(jobs) == 1 else None
                decision = {"file": file, "decided": True, "jobs": jobs, "items": items, "note": note, "notes": notes}
                return document(decision, 201 if jobs else 200, headers)
            case FileRejected(mistakes=count, error_file=place):
                errors = await _read(Path(place))
                return self._refused(count, file, errors["mistakes"], errors["more"])
            case None:
                body = {
                    "file": file,
                    "decided": False,
                    "jobs": (),
                    "items": 0,
                    "note": waiting.reason + waiting.not_synced,
                    "notes": (),
                }
                return document(body, 202)

    def _refused(self, count: int, file: str, mistakes: object, more: int) -> Response:
        text = f"{count} mistake{'s' if count > 1 else ''}; nothing of the file was taken"
        return self._problems.answer(422, text, file=file, mistakes=mistakes, more=more)

    def _too_large(self) -> Response:
        return self._problems.answer(413, f"a queue file may have {self._most} bytes (`queue.max_bytes`)")


def _place(file: str, drafts: Mapping[str, Draft], incoming: Path) -> Placed:
    """Give the tables their names, then the queue file; where that fails, none of them lies there."""
    done: list[Path] = []
    try:
        for table in drafts.keys() - {file}:
            drafts[table].finish()
            done.append(incoming / table)
        return drafts[file].finish()
    except BaseException:
        for path in done:
            path.unlink(missing_ok=True)
        raise


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


async def _read(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(await anyio.Path(path).read_bytes(), type=dict[str, Any])
