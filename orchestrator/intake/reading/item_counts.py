"""Writes `count: N` into the text of a queue file, and leaves every other character of it alone.

A job that has the key `count` already, as null, is left as it is.
"""

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
_TOKEN = re.compile(rb'("(?:[^"\\]|\\.)*")([ \t\n\r]*:)?|[{}\[\]]')
_JOBS, _COUNT = "jobs", "count"
_ROOT, _JOB = 1, 3
"""Open containers where a key of the document, or of a job, stands."""

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
    keys: list[str | None] = []  # of each open container: the key whose value comes next, if one does
    index = -1
    is_flow = has_count = False
    first: Any = None  # where the first key of a job stands
    for event in _yaml_events(file):
        if isinstance(event, yaml.CollectionEndEvent):
            keys.pop()
            if len(keys) == _JOB - 1 and first is not None:
                if not has_count:
                    yield index, first.index, None if is_flow else first.column
                first = None
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(keys) == _JOB - 1 and keys[0] == _JOBS:
                index += 1
                is_flow, has_count = bool(event.flow_style), False
            keys.append(None)
            continue
        elif isinstance(event, yaml.ScalarEvent) and len(keys) in (_ROOT, _JOB) and keys[-1] is None:
            keys[-1] = event.value
            if len(keys) == _JOB and keys[0] == _JOBS:
                first = first or event.start_mark
                has_count = has_count or event.value == _COUNT
            continue
        if keys:
            keys[-1] = None


def _yaml_events(file: IO[bytes]) -> Iterator[Any]:
    parser = CParser(Text(file, yaml=True))
    while (event := parser.get_event()) is not None:
        yield event


def _byte_offsets(file: IO[bytes], characters: Sequence[int]) -> Iterator[int]:
    """Where each of these characters (ascending, not counting byte order marks) begins in the file."""
    file.seek(0)
    base = 0
    while file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8:  # there may be several
        base += len(codecs.BOM_UTF8)
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
    depth = 0
    key: str | None = None
    index = -1
    begin: int | None = None  # of a job that has no count so far
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in (b"}", b"]"):
            depth -= 1
            if depth == _JOB - 1 and begin is not None:
                yield index, begin
                begin = None
        elif token in (b"{", b"["):
            if depth == _JOB - 1 and key == _JOBS:
                index += 1
                begin = match.end()
            depth += 1
        elif match[2] and depth == _ROOT:
            key = json.loads(match[1])
        elif match[2] and depth == _JOB and json.loads(match[1]) == _COUNT:
            begin = None
