"""Mistakes that many items have from one place: a template, or the first line of a table. Reported there, once."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.queue_file.template import reaches

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"')
"""A value in a message."""
_LINES = 5
"""Line numbers that one mistake lists."""
_ALIKE = 0.8
"""From there on one key is taken for the other, misspelt."""


@dataclass(slots=True)
class RepeatedMistakes:
    """Counts how many items have the same mistake from the same place."""

    _found: dict[tuple[Path, str], tuple[Mistake, int]] = field(default_factory=dict)
    _cells: dict[tuple[Path, str | None, str], tuple[Mistake, list[int], int]] = field(default_factory=dict)

    def add_cell(self, mistake: Mistake) -> None:
        """A mistake of a cell: the same one on many lines is reported at the first, with the numbers of the next.

        Whatever the cells are: a column of file names in place of ids is one mistake.
        """
        place = (mistake.path, mistake.column, _QUOTED.sub("''", mistake.message))
        first, lines, count = self._cells.get(place, (mistake, [], 0))
        if count and len(lines) < _LINES and mistake.line is not None:
            lines.append(mistake.line)
        self._cells[place] = first, lines, count + 1

    def add(self, mistake: Mistake) -> None:
        """One more item that has it."""
        place = (mistake.path, mistake.message)
        first, count = self._found.get(place, (mistake, 0))
        self._found[place] = (first, count + 1)

    @property
    def distinct(self) -> int:
        """How many different ones there are: each is kept in memory."""
        return len(self._found) + len(self._cells)

    def reported(self, table: str | None) -> Iterator[Mistake]:
        """Each once, with how many rows of the table, or items of the document, it concerns."""
        for mistake, count in self._found.values():
            what = ("row" if table else "item") + ("s" if count > 1 else "") + (f" of {table}" if table else "")
            yield replace(mistake, message=f"{mistake.message}, for {count} {what}")
        for mistake, lines, count in self._cells.values():
            yield mistake if count == 1 else replace(mistake, message=mistake.message + _also_on(lines, count - 1))


def _also_on(lines: Sequence[int], more: int) -> str:
    listed = ", ".join(map(str, lines)) + (", ..." if more > len(lines) else "")
    return f"; the same in {more} more: {listed}"


def from_template(template: Mapping[str, Any], path: Path, item: object) -> bool:
    """Whether what is wrong at a path comes from the template, and not from the item that was laid over it."""
    return not reaches(item, path) and (reaches(template, path) or _misspelt(template, path))


def _misspelt(template: Mapping[str, Any], path: Path) -> bool:
    """Whether the template has nearly the key that is missing."""
    around: Any = template
    for part in path[:-1]:
        if not (isinstance(around, dict) and part in around):
            return False
        around = around[part]
    keys = [key for key in around if isinstance(key, str)] if isinstance(around, dict) else []
    return bool(path) and bool(difflib.get_close_matches(str(path[-1]), keys, 1, _ALIKE))


@dataclass(slots=True)
class RowMistakes:
    """Mistakes of the lines of one table: each different one is reported once, at its first line."""

    table: str
    _found: dict[str, tuple[Mistake, list[int], int]] = field(default_factory=dict)

    def add(self, message: str, remedy: str | None, line: int) -> None:
        """One more line that has it."""
        found = self._found.get(message)
        if found is None:
            self._found[message] = Mistake(message, remedy, line=line, file=self.table), [], 0
            return
        first, lines, more = found
        if len(lines) < _LINES:
            lines.append(line)
        self._found[message] = first, lines, more + 1

    def reported(self) -> Iterator[Mistake]:
        """Each once, with the lines that have it too."""
        for first, lines, more in self._found.values():
            if not more:
                yield first
                continue
            yield replace(first, message=first.message + _also_on(lines, more))
