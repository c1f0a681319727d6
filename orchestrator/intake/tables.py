"""Tables: CSV, TSV and JSON lines as rows of text.

A row is an object of texts with the same columns as every other row: a cell is never guessed to be a number, a date or
nothing. Blanks around a cell or a name are none of it: nobody sees them, and no id has them. CSV and TSV follow RFC
4180 but for that: the first line names the columns, a field with a comma, a quote or a line break stands in quotes.
JSON lines hold one flat object a line; numbers keep their digits, null is empty text.
"""

import csv
import json
from collections.abc import Iterator
from typing import IO, Any

from orchestrator.domain.mistake import Mistake, Mistakes
from orchestrator.intake.text import SpoiltError, Text

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
MOST_COLUMNS = 1000

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars (`|`)", ",": "commas"}

NumberedRow = tuple[int, dict[str, str]]
"""The line on which the row begins, and its cells by column."""


def is_table(name: str) -> bool:
    """Whether a file of this name is a table and no queue file."""
    return name.lower().endswith(SUFFIXES)


class Table:
    """One table file, read from the start each time that its rows are asked for."""

    def __init__(self, file: IO[bytes], name: str, size: int = 0) -> None:
        self._file = file
        self.size = size
        """Bytes of the file."""
        self.name = name
        self._json = name.lower().endswith((".jsonl", ".ndjson"))
        self._delimiter = "\t" if name.lower().endswith(".tsv") else ","

    def columns(self, mistakes: Mistakes) -> tuple[str, ...] | None:
        """The names of the columns; None, with the reason among the mistakes, when they cannot be told."""
        wrong = Mistakes()
        columns: tuple[str, ...] = ()
        try:
            columns = self._first_object(wrong) if self._json else self._first_line()
        except SpoiltError as error:
            wrong.append(error.mistake)
        if columns:
            wrong = Mistakes()  # bad lines above the first good row are told with the rows
        if columns or not wrong:
            for problem in self._problems_of(columns):
                wrong.append(problem)
        mistakes.extend(wrong)
        return None if wrong else columns

    def rows(self, mistakes: Mistakes) -> Iterator[NumberedRow]:
        """The rows; a row that is wrong becomes a mistake and is left out."""
        text = Text(self._file, name=self.name)
        try:
            yield from (self._objects(text, mistakes) if self._json else self._records(text, mistakes))
        except SpoiltError as error:
            mistakes.append(error.mistake)
            return
        if not text.ends_in_newline:
            message = "does not end in a newline: it was cut"
            mistakes.add(message, "end the last line", line=text.line, file=self.name)

    def _problems_of(self, columns: tuple[str, ...]) -> Iterator[Mistake]:
        if not columns:
            yield self._mistake("is empty", "the first line names the columns, the next ones are the rows")
        if len(columns) > MOST_COLUMNS:
            yield self._mistake(f"has {len(columns)} columns, and may have {MOST_COLUMNS}", None, 1)
        seen: dict[str, int] = {}
        for number, column in enumerate(columns, 1):
            if not column:
                yield self._mistake(f"column {number} has no name", "name it, or remove it", 1)
            elif (first := seen.setdefault(column, number)) != number:
                yield self._mistake(f"columns {first} and {number} are both named {column!r}", "rename one", 1)

    def other_separator(self, columns: tuple[str, ...]) -> Mistake | None:
        """What to say when a column is missed, and what looks like several was read as one; None otherwise."""
        if self._json or len(columns) != 1:
            return None
        found = next((each for each in _SEPARATORS if each != self._delimiter and each in columns[0]), None)
        if found is None:
            return None
        name, own = self.name.rpartition(".")[2].upper(), _SEPARATORS[self._delimiter]
        message = f"seems to be separated by {_SEPARATORS[found]}, and {name} is separated by {own}"
        return self._mistake(message, f"save it with {own} between the cells", 1)

    # ------------------------------------------------------------ CSV and TSV

    def _first_line(self) -> tuple[str, ...]:
        for _, record in self._read(Text(self._file, name=self.name)):
            return tuple(record)
        return ()

    def _records(self, text: Text, mistakes: Mistakes) -> Iterator[NumberedRow]:
        columns: tuple[str, ...] | None = None
        for line, record in self._read(text):
            if columns is None:
                columns = tuple(record)
            elif len(record) == len(columns):
                yield line, dict(zip(columns, record, strict=True))
            else:
                message = f"has {len(record)} cells, and the first line has {len(columns)}"
                mistakes.append(self._mistake(message, "does a cell with a comma lack its quotes?", line))

    def _read(self, text: Text) -> Iterator[tuple[int, list[str]]]:
        """Records that hold anything, each with its first line."""
        reader = csv.reader(text.lines(), delimiter=self._delimiter, strict=True)
        line = 1
        try:
            for cells in reader:
                record = [cell.strip() for cell in cells]
                if any(record):
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as error:
            what, remedy = _worded(str(error))
            message = f"is not {'CSV' if self._delimiter == ',' else 'TSV'}: {what}"
            raise SpoiltError(self._mistake(message, remedy, line)) from error

    # ------------------------------------------------------------ JSON lines

    def _first_object(self, mistakes: Mistakes) -> tuple[str, ...]:
        for _, row in self._objects(Text(self._file, name=self.name), mistakes):
            return tuple(row)
        return ()

    def _objects(self, text: Text, mistakes: Mistakes) -> Iterator[NumberedRow]:
        columns: tuple[str, ...] | None = None
        for number, line in enumerate(text.lines(), 1):
            if not line.strip():
                continue
            try:
                row = _flat(line)
            except _NoRowError as error:
                mistakes.append(self._mistake(str(error), "one flat object a line", number))
                continue
            if columns is None:
                columns = tuple(row)
            if row.keys() != set(columns):
                message = "does not have the keys of the first row: " + ", ".join(columns)
                mistakes.append(self._mistake(message, 'write "" for what is empty', number))
            else:
                yield number, {column: row[column] for column in columns}

    def _mistake(self, message: str, remedy: str | None, line: int | None = None) -> Mistake:
        return Mistake(message, remedy, line=line, file=self.name)


def _worded(problem: str) -> tuple[str, str]:
    """What Python's reader of CSV says, and what to do about it, for somebody who knows no Python."""
    if problem.startswith("new-line character"):
        return "a line ends in a carriage return (CR) alone", "save it with lines that end in a newline: LF, or CR LF"
    if problem.startswith("unexpected end"):
        return "a quote is never closed", 'a field with a quote in it is written "...""..."'
    if problem.startswith("field larger"):
        return "a cell is longer than may be", "is a quote never closed?"
    return "something stands behind a closing quote", 'a field with a quote in it is written "...""..."'


class _NoRowError(ValueError):
    """A line of JSON lines that is no row."""


def _flat(line: str) -> dict[str, str]:
    try:
        pairs = json.loads(line, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except RecursionError:
        raise _NoRowError("is nested too deep") from None
    except json.JSONDecodeError as error:
        raise _NoRowError(f"is not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(pairs, _Pairs):
        raise _NoRowError("is not an object")
    row: dict[str, str] = {}
    for name, value in pairs:
        key = _whole(name, name).strip()
        if key in row:
            raise _NoRowError(f"has the key {key!r} twice")
        row[key] = _cell(key, value).strip()
    return row


def _cell(key: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return _whole(key, value)
        case _:
            raise _NoRowError(f"holds a list or an object under {key!r}")


def _whole(key: str, text: str) -> str:
    if not text.isprintable():
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise _NoRowError(f"holds half a character (a lone surrogate) under {key!r}")
        if any(character < " " and character not in "\t\n\r" for character in text):
            raise _NoRowError(f"holds a control character under {key!r}")
    return text


class _Pairs(list[tuple[str, Any]]):
    """An object whose keys have not been counted yet."""


def _no_constant(name: str) -> Any:  # noqa: ANN401 - the signature json asks for
    raise _NoRowError(f"holds {name}, which is no JSON")
