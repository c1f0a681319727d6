"""Writes `count: N` into the text of a queue file, and leaves every other character of it alone."""

import codecs
import json
import mmap
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import yaml
from yaml._yaml import CParser

from orchestrator.intake.reading.text import Text

_PIECE = 64 * 1024
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_JOBS = "jobs"

Insertion = tuple[int, bytes]
"""A byte offset, and what to write there."""


def insertions(file: IO[bytes], counts: Mapping[int, int], *, is_json: bool) -> list[Insertion]:
    """Where to say how many items the jobs have: `counts` by the job's index. The file is one that was checked."""
    if is_json:
        return [(at, b'"count": %d, ' % counts[index]) for index, at in _json_jobs(file) if index in counts]
    places = [(at, _yaml_count(counts[index], column)) for index, at, column in _yaml_jobs(file) if index in counts]
    offsets = _byte_offsets(file, [at for at, _ in places])
    return [(offset, text) for offset, (_, text) in zip(offsets, places, strict=True)]


def with_insertions(file: IO[bytes], inserted: Sequence[Insertion]) -> Iterator[bytes]:
    """The file's bytes, in pieces, with what is inserted."""
    file.seek(0)
    position = 0
    for offset, text in inserted:
        while position < offset:
            piece = file.read(min(_PIECE, offset - position))
            if not piece:
                return
            position += len(piece)
            yield piece
        yield text
    while piece := file.read(_PIECE):
        yield piece


# ---------------------------------------------------------------- YAML


def _yaml_count(count: int, column: int | None) -> bytes:
    """Before the first key of a job: on a line of its own, or inside braces."""
    return b"count: %d, " % count if column is None else b"count: %d\n" % count + b" " * column


def _yaml_jobs(file: IO[bytes]) -> Iterator[tuple[int, int, int | None]]:
    """Each job's index, the character at which its first key begins, and its column; None inside braces."""
    open_containers: list[str] = []
    key: str | None = None
    index = -1
    job: Any = None
    for event in _yaml_events(file):
        if job is not None:
            yield index, event.start_mark.index, None if job.flow_style else event.start_mark.column
            job = None
        if isinstance(event, yaml.CollectionEndEvent):
            open_containers.pop()
            key = None if len(open_containers) == 1 else key
        elif isinstance(event, yaml.CollectionStartEvent):
            if open_containers == ["{", "["] and key == _JOBS:
                index += 1
                job = event if isinstance(event, yaml.MappingStartEvent) else None
            open_containers.append("{" if isinstance(event, yaml.MappingStartEvent) else "[")
        elif isinstance(event, yaml.ScalarEvent) and len(open_containers) == 1:
            key = event.value if key is None else None


def _yaml_events(file: IO[bytes]) -> Iterator[Any]:
    parser = CParser(Text(file, yaml=True))
    while (event := parser.get_event()) is not None:
        yield event


def _byte_offsets(file: IO[bytes], characters: Sequence[int]) -> Iterator[int]:
    """Where each of these characters (ascending, not counting a byte order mark) begins in the file."""
    file.seek(0)
    base = len(codecs.BOM_UTF8) if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0
    file.seek(base)
    decoder = codecs.getincrementaldecoder("utf-8")()
    seen = 0
    wanted = deque(characters)
    while wanted and (piece := file.read(_PIECE)):
        text = decoder.decode(piece)
        while wanted and wanted[0] <= seen + len(text):
            yield base + len(text[: wanted.popleft() - seen].encode())
        seen += len(text)
        base += len(text.encode())


# ---------------------------------------------------------------- JSON


def _json_jobs(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Each job's index, and the byte behind its opening brace."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        yield from _json_objects(text)


def _json_objects(text: mmap.mmap) -> Iterator[tuple[int, int]]:
    open_containers: list[bytes] = []
    key: str | None = None
    index = -1
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in (b"}", b"]"):
            open_containers.pop()
        elif token in (b"{", b"["):
            if open_containers == [b"{", b"["] and key == _JOBS:
                index += 1
                if token == b"{":
                    yield index, match.end()
            open_containers.append(token)
        elif len(open_containers) == 1:
            key = json.loads(token)
