"""Mistakes that many items or rows have: the same one is reported once, with where else it is."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.queue_file.template import reaches

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"')
"""A value in a message."""
_VARIES = re.compile(r"(?:behind|in front of) [^,;]*|\b[0-9]+\b")
"""What else differs between two mistakes that are the same: a part of a value, a number."""
_LISTED = 5
"""Further places that one mistake lists."""
_ALIKE = 0.8
"""From there on one key is taken for the other, misspelt."""


@dataclass(slots=True)
class _Repeated:
    """A mistake where it is first, and where else it is."""

    first: Mistake
    others: list[int] = field(default_factory=list)
    """The next lines, or indexes of items."""
    more: int = 0

    def repeat(self, place: int | None) -> None:
        self.more += 1
        if place is not None and len(self.others) < _LISTED:
            self.others.append(place)

    def reported(self, also: Callable[[Sequence[int], int], str]) -> Mistake:
        """The mistake; `also` words the end of the message, from the next places and the number of all others."""
        if not self.more:
            return self.first
        return replace(self.first, message=self.first.message + also(self.others, self.more))


@dataclass(slots=True)
class RepeatedMistakes:
    """Counts how many items have the same mistake from the same place."""

    _found: dict[tuple[Path, str], tuple[Mistake, int]] = field(default_factory=dict)
    _cells: dict[tuple[Path, str | None, str], _Repeated] = field(default_factory=dict)
    _items: dict[tuple[Path, str], _Repeated] = field(default_factory=dict)

    def add_cell(self, mistake: Mistake) -> None:
        """A mistake of a cell: the same one on many lines is reported at the first, with the numbers of the next.

        Whatever the cells are: a column of file names in place of ids is one mistake.
        """
        place = (mistake.path, mistake.column, _alike(mistake.message))
        if (known := self._cells.get(place)) is not None:
            known.repeat(mistake.line)
        else:
            self._cells[place] = _Repeated(mistake)

    def add_item(self, mistake: Mistake, items: Path, index: int) -> None:
        """A mistake of one entry of `items`: the same one in many is reported at the first, with the next ones."""
        place = (mistake.path, _alike(mistake.message))
        if (known := self._items.get(place)) is not None:
            known.repeat(index)
        else:
            self._items[place] = _Repeated(replace(mistake, path=(*items, index, *mistake.path)))

    def add(self, mistake: Mistake) -> None:
        """One more item that has it."""
        place = (mistake.path, mistake.message)
        first, count = self._found.get(place, (mistake, 0))
        self._found[place] = (first, count + 1)

    @property
    def distinct(self) -> int:
        """How many different ones there are: each is kept in memory."""
        return len(self._found) + len(self._cells) + len(self._items)

    def reported(self, table: str | None) -> Iterator[Mistake]:
        """Each once, with how many rows of the table, or items of the document, it concerns."""
        for mistake, count in self._found.values():
            what = ("row" if table else "item") + ("s" if count > 1 else "") + (f" of {table}" if table else "")
            yield replace(mistake, message=f"{mistake.message}, for {count} {what}")
        for of_cells in self._cells.values():
            yield of_cells.reported(_also_on)
        for of_items in self._items.values():
            yield of_items.reported(_also_in)


def _alike(message: str) -> str:
    """What two messages on the same mistake have in common: neither the values nor the numbers in them."""
    return _VARIES.sub("", _QUOTED.sub("''", message))


def _also_on(lines: Sequence[int], more: int) -> str:
    """The end of a message that `more` further lines have too; `lines` are the first of them."""
    what = "line" if more == 1 else "lines" if more <= len(lines) else f"{more} more lines:"
    return f"; the same on {what} {_listed(map(str, lines), more)}"


def _also_in(items: Sequence[int], more: int) -> str:
    """The end of a message that `more` further items have too; `items` are the indexes of the first of them."""
    what = "" if more <= len(items) else f"{more} more: "
    return f"; the same in {what}{_listed((f'items[{index}]' for index in items), more)}"


def _listed(places: Iterable[str], more: int) -> str:
    return ", ".join(places) + (", ..." if more > _LISTED else "")


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
    _found: dict[str, _Repeated] = field(default_factory=dict)

    def add(self, message: str, remedy: str | None, line: int, like: str | None = None) -> None:
        """One more line that has it. Mistakes that are `like` each other are one, whatever their messages."""
        place = like or message
        if (known := self._found.get(place)) is not None:
            known.repeat(line)
        else:
            self._found[place] = _Repeated(Mistake(message, remedy, line=line, file=self.table))

    def reported(self) -> Iterator[Mistake]:
        """Each once, with the lines that have it too."""
        for each in self._found.values():
            yield each.reported(_also_on)
