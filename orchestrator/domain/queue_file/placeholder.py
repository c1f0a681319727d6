"""One placeholder of a template: `${col}`, `${col:int}`, `${col[]}`, `${?col}`, and the value that a cell gives it."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from orchestrator.domain.queue_file.cells import decimal_made, spreadsheet_made

Cell = str | Sequence[str]
"""A text, or the texts of the rows that `group_by` gathered, where they differ."""
Row = Mapping[str, Cell]

LONGEST_NUMBER = 1000
MOST_ROWS = 10_000
"""Rows that `group_by` gathers into one item. Of a larger group, each column is the texts of more rows than these."""
_SHAPE = re.compile(r"(\??)(.*?)(?::(int|float|bool)|(\[\]))?", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


_DIGITS: Final = {
    "int": "digits alone: no unit, no `,` or `.`, no leading zeros",
    "float": "digits with a `.` for decimals: no unit, no `,`, no leading zeros",
}


class CellError(ValueError):
    """A cell does not hold what its placeholder asks for."""

    def __init__(self, column: str, what: str, remedy: str) -> None:
        super().__init__(what)
        self.column = column
        self.what = what
        self.remedy = remedy


class LeftOut:
    """In place of the value of an element that is left out."""


LEFT_OUT: Final = LeftOut()


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What stands between `${` and `}`."""

    column: str
    type: str | None = None
    """`int`, `float` or `bool`; None is text."""
    many: bool = False
    """`[]`: a list."""
    optional: bool = False
    """`?`: nothing at all where the cell is empty."""

    @property
    def is_plain(self) -> bool:
        """Whether it is a text, which may be part of a longer one."""
        return not (self.type or self.many or self.optional)

    @property
    def value(self) -> Callable[[Row], Any]:
        """What takes its value from a row. It raises CellError, and returns LEFT_OUT for what is left out."""
        of_type: dict[str | None, Callable[[Row], Any]] = {
            None: self._text,
            "int": self._int,
            "float": self._float,
            "bool": self._bool,
        }
        take = self._list if self.many else of_type[self.type]
        if not self.optional:
            return take
        return lambda row: LEFT_OUT if not row[self.column] else take(row)

    def _text(self, row: Row) -> str:
        cell = row[self.column]
        if isinstance(cell, str):
            return cell
        self._refuse_too_many(cell)
        what = f"holds {len(cell)} different values in the rows of one group"
        raise CellError(self.column, what, f"write `${{{self.column}[]}}` for a list of them")

    def _list(self, row: Row) -> list[str]:
        cell = row[self.column]
        self._refuse_too_many(cell)
        cells = [cell] if isinstance(cell, str) else [each for each in cell if each]
        if not (self.optional or isinstance(cell, str) or len(cells) == len(cell)):
            remedy = f"enter the value, or write `${{?{self.column}[]}}`, which leaves it out"
            raise CellError(self.column, "is empty in some of the rows of one group", remedy)
        parts = [part.strip() for each in cells for part in each.split(";")]
        if not any(parts):
            return []
        if not all(parts):
            raise CellError(self.column, f"{cell!r} has an empty entry between its `;`", "remove the `;` too many")
        return parts

    def _refuse_too_many(self, cell: Cell) -> None:
        if not isinstance(cell, str) and len(cell) > MOST_ROWS:
            what = f"is in one group of more than {MOST_ROWS} rows, and one item is made of so many at most"
            raise CellError(self.column, what, "is `group_by` the column that tells the items apart?")

    def _int(self, row: Row) -> int:
        text = self._text(row)
        if (match := _NUMBER.fullmatch(text)) and not match[1] and not match[2] and len(text) <= LONGEST_NUMBER:
            return int(text)
        raise self._no_number(text, "whole number")

    def _float(self, row: Row) -> Decimal:
        text = self._text(row)
        if _NUMBER.fullmatch(text) and len(text) <= LONGEST_NUMBER:
            return Decimal(text)
        raise self._no_number(text, "number")

    def _bool(self, row: Row) -> bool:
        text = self._text(row)
        if text.lower() not in ("true", "false"):
            raise CellError(self.column, f"{text!r} is neither true nor false", "write `true` or `false`")
        return text.lower() == "true"

    def _no_number(self, text: str, wanted: str) -> CellError:
        if not text:
            remedy = (
                f"enter it, or write `${{?{self.column}:{self.type}}}`, which leaves the element out where it is empty"
            )
            return CellError(self.column, f"is empty, and must be a {wanted}", remedy)
        message = f"{text!r} is no {wanted}"
        if found := decimal_made(text):
            return CellError(self.column, f"{message}: it {found.what}", found.remedy)
        found = spreadsheet_made(text)
        remedy = found.remedy if found else _DIGITS[self.type or "float"]
        return CellError(self.column, message, remedy)


def parse(inside: str, columns: Collection[str] = ()) -> Placeholder:
    """What stands between `${` and `}`; a column of exactly that name comes before any other meaning."""
    if inside in columns:
        return Placeholder(inside)
    match = _SHAPE.fullmatch(inside)
    if match is None or not match[2]:
        return Placeholder(inside)
    return Placeholder(match[2], type=match[3], many=bool(match[4]), optional=bool(match[1]))
