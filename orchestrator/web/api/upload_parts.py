"""A queue file and its tables in one request, as a form: `curl -F file=@run.yaml -F table=@samples.csv`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from orchestrator.intake.directory.moves import GOOD_NAME
from orchestrator.intake.reading.tables import is_table
from orchestrator.intake.validation.check import JSON_SUFFIX, YAML_SUFFIXES
from orchestrator.web.bounded_body import bounded, parts_in

MOST_PARTS = 100
"""Files that one request may have."""


_MOST_TEXT = 64 * 1024
"""Bytes of a part that is no file, which is refused anyway."""


class UploadError(Exception):
    """The request cannot be taken; the text says what to send."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of one request."""

    suffix: str
    """Of the queue file."""
    queue_file: UploadFile
    tables: Mapping[str, UploadFile]
    """By the name that the queue file gives in `table:`."""


@asynccontextmanager
async def parts_of(request: Request, most: int) -> AsyncIterator[Parts]:
    """Receive the files of a request, together at most `most` bytes; they are gone when the block ends.

    Raises:
        UploadError: the request is too large, malformed, or has not exactly one queue file.
        ClientDisconnect: it ended early.
    """
    too_large = f"a queue file and its tables may have {most} bytes (`queue.max_bytes`) in all"
    limited = bounded(request, most, lambda: UploadError(413, too_large))
    try:
        form = await parts_in(limited, most_files=MOST_PARTS, most_fields=MOST_PARTS, most_text=_MOST_TEXT)
    except MultiPartException as error:
        raise UploadError(400, f"the form cannot be read: {error.message}; nothing was taken") from None
    try:
        uploads = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        yield _sorted(uploads, plain=len(uploads) < len(form.multi_items()))
    finally:
        await form.close()


def _sorted(uploads: list[UploadFile], *, plain: bool) -> Parts:
    names = [upload.filename or "" for upload in uploads]
    wrong = [name for name in names if not GOOD_NAME.fullmatch(name) or name.startswith(".")]
    if plain or wrong:
        raise UploadError(
            422, "each part must be a file with a name of A-Z a-z 0-9 . _ -, such as -F file=@run.yaml -F table=@s.csv"
        )
    files = [upload for upload, name in zip(uploads, names, strict=True) if not is_table(name)]
    tables = {name: upload for upload, name in zip(uploads, names, strict=True) if is_table(name)}
    suffix = "." + (files[0].filename or "").rpartition(".")[2].lower() if files else ""
    if len(files) != 1 or suffix not in (*YAML_SUFFIXES, JSON_SUFFIX):
        raise UploadError(422, "send exactly one queue file (.yaml, .yml or .json), and the tables that it names")
    if len(tables) + 1 != len(uploads):
        raise UploadError(422, "two tables have the same name")
    return Parts(suffix, files[0], tables)
