# ruff: noqa: ANN401 - what a document holds is any JSON value
"""A document taken apart while it streams by: a small header, and the items of each job on a scratch file.

Memory holds the header and one item at a time, whatever the length of the file. What cannot be read any further
(`SpoiltError`) ends the reading; everything else that is wrong is collected.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from orchestrator.domain.messages.mistake import Mistake, Mistakes, Path
from orchestrator.domain.queue_file.estimate import canonical
from orchestrator.domain.queue_file.model import MOST_JOBS
from orchestrator.intake.reading.parse_events import (
    DEEPEST,
    END_ARRAY,
    END_MAP,
    MAP_KEY,
    START_ARRAY,
    START_MAP,
    Events,
    ParsedEvent,
)
from orchestrator.intake.reading.spill import PortionWriter
from orchestrator.intake.reading.text import CONTROL, MalformedTextError, Text

MOST_NODES = 200_000
"""Values inside one item."""
HEADER_NODES = 500_000
"""Values of the document outside its items."""
HEADER_BYTES = 32 * 1024 * 1024
MOST_ITEMS = 1_000_000
"""Entries of `items:` of one file; what rows of tables make is bounded by the bytes of the file and its tables."""
MOST_WRONG = 10_000
"""Mistakes after which a file is read no further: their number does not help anybody."""
SLICE = 2000
"""Items after which the reader lets others work."""

_NO_ITEMS: list[Any] = []


@dataclass(frozen=True, slots=True)
class ItemRun:
    """The items of one job as they stand in the document, each in its canonical spelling, on the scratch file."""

    offset: int
    count: int


@dataclass(slots=True)
class Document:
    """What was read."""

    header: Any
    """The document without its items: each job has an empty list in their place."""
    runs: dict[int, ItemRun]
    """By the job's index in the document."""


class DocumentReader:
    """Reads one document; `read` is a generator so that the caller may do it in slices."""

    def __init__(self, events: Events, text: Text, mistakes: Mistakes, scratch: IO[bytes]) -> None:
        self._events: Iterator[ParsedEvent] = iter(events)
        self._source = events
        self._text = text
        self._mistakes = mistakes
        self._scratch = scratch
        self._runs: dict[int, ItemRun] = {}
        self._item_bytes = 0
        self._item_count = 0
        self._header_nodes = HEADER_NODES

    def read(self) -> Generator[None, None, Document]:
        """The document; yields now and then. Raises SpoiltError."""
        header: Any = None
        for event, value in self._events:
            if event == START_MAP:
                header = yield from self._read_root()
            else:
                header = self._header_value(event, value, ())
        return Document(header, self._runs)

    def _read_root(self) -> Generator[None, None, dict[str, Any]]:
        root: dict[str, Any] = {}
        for event, value in self._events:
            if event == END_MAP:
                break
            key = self._key(value, root, ())
            event, value = next(self._events)  # noqa: PLW2901 - the value of that key
            if key == "jobs" and event == START_ARRAY:
                root[key] = yield from self._read_jobs()
            else:
                root[key] = self._header_value(event, value, (key,))
        return root

    def _read_jobs(self) -> Generator[None, None, list[Any]]:
        jobs: list[Any] = []
        for event, value in self._events:
            if event == END_ARRAY:
                break
            if len(jobs) == MOST_JOBS:
                message = f"asks for more than {MOST_JOBS} jobs"
                raise MalformedTextError(Mistake(message, "use several files", ("jobs",), self._source.line))
            if event == START_MAP:
                jobs.append((yield from self._read_job(len(jobs))))
            else:
                jobs.append(self._header_value(event, value, ("jobs", len(jobs))))
            yield
        return jobs

    def _read_job(self, index: int) -> Generator[None, None, dict[str, Any]]:
        job: dict[str, Any] = {}
        path: Path = ("jobs", index)
        for event, value in self._events:
            if event == END_MAP:
                break
            key = self._key(value, job, path)
            event, value = next(self._events)  # noqa: PLW2901 - the value of that key
            if key == "items" and event == START_ARRAY:
                self._runs[index] = yield from self._read_items((*path, key))
                job[key] = _NO_ITEMS
            else:
                job[key] = self._header_value(event, value, (*path, key))
        return job

    def _read_items(self, path: Path) -> Generator[None, None, ItemRun]:
        began = self._text.position
        offset = self._scratch.tell()
        items = PortionWriter[bytes](self._scratch)
        count = 0
        for count, item in enumerate(self._objects(path), 1):
            items.add(item, len(item))
            if count % SLICE == 0:
                yield
        items.flush()
        self._item_bytes += self._text.position - began
        return ItemRun(offset, count)

    def _objects(self, path: Path) -> Iterator[bytes]:
        """The items; many that are no objects, or too many in all, end the reading."""
        wrong = 0
        for item in self._items(path):
            self._item_count += 1
            wrong += not item.startswith(b"{")
            if wrong > MOST_WRONG:
                message = f"has more than {MOST_WRONG} items that are no objects, and was read no further"
                raise MalformedTextError(Mistake(message, "write `- {key: value}`", path, self._source.line))
            if self._item_count > MOST_ITEMS:
                message = f"the file has more than {MOST_ITEMS} items"
                raise MalformedTextError(Mistake(message, "use several files", path, self._source.line))
            yield item

    def _items(self, path: Path) -> Iterator[bytes]:
        index = 0
        levels = _room(path, index) + 1
        while True:
            for item in self._source.values(levels):
                yield item
                index += 1
            event, value = next(self._events)
            if event == END_ARRAY:
                break
            self._text.mark = self._text.position
            read, _ = self._value(event, value, path, index, MOST_NODES)
            yield canonical(read)
            index += 1

    def _header_value(self, event: str, value: Any, path: Path) -> Any:
        self._text.mark = self._text.position
        read, self._header_nodes = self._value(event, value, path, None, self._header_nodes - 1)
        if self._text.position - self._item_bytes > HEADER_BYTES:
            raise MalformedTextError(_too_much(path, self._source.line))
        return read

    def _key(self, key: str, within: dict[str, Any], path: Path) -> str:
        if key in within:
            self._twice((*path, key))
        self._header_nodes -= 1
        if self._header_nodes < 0:
            raise MalformedTextError(_too_much(path, self._source.line))
        self._scalar(key, path, None)
        return key

    def _value(  # noqa: C901, PLR0912 - the one hot loop, kept flat
        self,
        event: str,
        value: Any,
        path: Path,
        index: int | None,
        nodes: int,
    ) -> tuple[Any, int]:
        """One whole value, and how many of the allowed `nodes` are left."""
        if event not in (START_MAP, START_ARRAY):
            return self._scalar(value, path, index), nodes
        container: Any = {} if event == START_MAP else []
        above: list[tuple[Any, str]] = []
        key = ""
        room = _room(path, index)
        for event, value in self._events:  # noqa: PLR1704 - the same events continue
            if event == MAP_KEY:
                key = value
                if not key.isprintable():
                    self._scalar(key, _path(path, index, above, None, ""), None)
                if key in container:
                    self._twice(_path(path, index, above, container, key))
                continue
            nodes -= 1
            if nodes < 0:
                raise MalformedTextError(_too_much(path, self._source.line))
            if event in (START_MAP, START_ARRAY):
                if len(above) >= room:
                    message = f"is nested deeper than {DEEPEST} levels"
                    place = _path(path, index, above[:3], None, "")
                    raise MalformedTextError(Mistake(message, None, place, self._source.line))
                above.append((container, key))
                container = {} if event == START_MAP else []
                continue
            if event in (END_MAP, END_ARRAY):
                if not above:
                    return container, nodes
                value = container  # noqa: PLW2901 - closed, and now a value itself
                container, key = above.pop()
            elif value.__class__ is str and not value.isprintable():
                self._scalar(value, _path(path, index, above, container, key), None)
            if container.__class__ is dict:
                container[key] = value
            else:
                container.append(value)
        return container, nodes

    def _scalar(self, value: Any, path: Path, index: int | None) -> Any:
        if value.__class__ is str and (match := CONTROL.search(value)):
            message = f"holds the control character U+{ord(match[0]):04X}"
            self._mistakes.add(message, "remove it", path=path if index is None else (*path, index))
        return value

    def _twice(self, path: Path) -> None:
        self._mistakes.add("stands here a second time", "a key may stand once", path=path, line=self._source.line)


def _room(path: Path, index: int | None) -> int:
    """How many more levels a list or object may have that stands there."""
    return DEEPEST - len(path) - (index is not None) - 1


def _path(path: Path, index: int | None, above: Sequence[tuple[Any, str]], container: Any, key: str) -> Path:
    """Where the next value stands: read only when something is wrong with it."""
    whole: list[str | int] = list(path) if index is None else [*path, index]
    for outer, name in (*above, (container, key)):
        if outer is not None:
            whole.append(name if outer.__class__ is dict else len(outer))
    return tuple(whole)


def _too_much(path: Path, line: int | None) -> Mistake:
    return Mistake("is larger than one value may be", "many items belong in `items` or in a `table`", path, line)
