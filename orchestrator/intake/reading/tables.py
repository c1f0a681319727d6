"""Tables: CSV, TSV and JSON lines as rows of text.

A row is an object of texts with the same columns as every other row: a cell is never guessed to be a number, a date or
nothing. Spaces around a cell or a name are not part of it: they do not show, and no id has them. JSON lines hold one
flat object a line; numbers keep their digits, null is empty text.
"""

import json
from collections.abc import Iterator
from typing import IO, Any

from orchestrator.domain.messages.mistake import Mistake, Mistakes
from orchestrator.domain.messages.note import Notes
from orchestrator.domain.result_columns import is_result, unguarded
from orchestrator.intake.reading.foreign_formats import START, recognise
from orchestrator.intake.reading.separated_values import SEPARATORS, Layout, NumberedRow, Separated
from orchestrator.intake.reading.text import MalformedTextError, Text
from orchestrator.intake.validation.repeated_mistakes import RowMistakes

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
MOST_COLUMNS = 1000
_HEADER_LINES = 3
"""A header of several lines has so many."""


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
        self._separated = Separated(file, name, "\t" if name.lower().endswith(".tsv") else ",")
        self._layout: Layout | None = None
        self.is_result = False
        """It is a result table of this program: known once the columns are."""

    def columns(self, mistakes: Mistakes) -> tuple[str, ...] | None:
        """The names of the columns; None, with the reason among the mistakes, when they cannot be found."""
        wrong = Mistakes()
        columns: tuple[str, ...] = ()
        try:
            self._refuse_foreign()
            columns = self._first_object(wrong) if self._json else self._first_line()
        except MalformedTextError as error:
            wrong.append(error.mistake)
        if columns:
            wrong = Mistakes()  # bad lines above the first good row are reported with the rows
        if columns or not wrong:
            for problem in self._problems_of(columns):
                wrong.append(problem)
        mistakes.extend(wrong)
        self.is_result = is_result(columns)
        return None if wrong else columns

    def rows(self, mistakes: Mistakes, notes: Notes | None = None) -> Iterator[NumberedRow]:
        """The rows; a row that is wrong becomes a mistake and is left out."""
        wrong = RowMistakes(self.name)
        try:
            rows = self._objects(wrong) if self._json else self._cells(wrong, Notes() if notes is None else notes)
            if not self.is_result:
                yield from rows
            else:
                for line, row in rows:
                    yield line, {column: unguarded(cell) for column, cell in row.items()}
        except MalformedTextError as error:
            mistakes.append(error.mistake)
        finally:
            for mistake in wrong.reported():
                mistakes.append(mistake)

    def place(self, line: int) -> str:
        """The row on that line, for messages."""
        return f"line {line}"

    def other_separator(self, columns: tuple[str, ...]) -> str | None:
        """What separates the cells instead, when the first line was read as one column; None where nothing does."""
        if self._json or len(columns) != 1:
            return None
        own = self._separated.delimiter
        return next((each for each in SEPARATORS if each != own and each in columns[0]), None)

    def separate_by(self, separator: str, notes: Notes) -> None:
        """Read it with another separator from now on."""
        own = SEPARATORS.get(self._separated.delimiter, self._separated.delimiter)
        notes.add(f"is separated by {SEPARATORS[separator]} in place of {own}, and was read so", place=self.name)
        self._separated.delimiter = separator

    def without_columns(self, columns: tuple[str, ...], needed: frozenset[str]) -> Mistake | None:
        """Why none of the columns that are needed is there, where the table itself shows it; None otherwise."""
        if self._json:
            return None
        if needed & set(columns):
            return self._on_two_lines(needed - set(columns))
        if len(columns) == 1 and self._separated.delimiter in columns[0]:
            message = "has lines that stand in quotes as a whole: it was exported twice"
            return self._mistake(message, "export it once more from the program that it comes from", 1)
        if len(columns) == 1 and needed <= set(columns[0].split()):
            name = SEPARATORS[self._separated.delimiter]
            return self._mistake("has columns that are separated by spaces", f"separate the cells by {name}", 1)
        if needed and (line := self._separated.line_of_columns(needed)) is not None:
            return self._mistake(f"names its columns on line {line}", "remove the lines above it", 1)
        return None

    def _on_two_lines(self, missing: frozenset[str]) -> Mistake | None:
        """Whether the columns that the first line lacks are named below it, as where cells of the header are merged."""
        line = self._separated.line_of_columns(missing) if missing else None
        if line is None or line > _HEADER_LINES:
            return None
        names = ", ".join(sorted(missing))
        message = f"names some of its columns ({names}) on line {line}, below the others: were cells merged?"
        return self._mistake(message, "write all names on one line, one above each column", 1)

    def _refuse_foreign(self) -> None:
        self._file.seek(0)
        if (foreign := recognise(self._file.read(START))) is not None:
            raise MalformedTextError(self._mistake(foreign.what, foreign.remedy))

    def _problems_of(self, columns: tuple[str, ...]) -> Iterator[Mistake]:
        if not columns:
            yield self._mistake("is empty", "the first line names the columns, the next ones are the rows")
        if len(columns) > MOST_COLUMNS:
            yield self._mistake(f"has {len(columns)} columns, and may have {MOST_COLUMNS}", None, 1)
        seen: dict[str, int] = {}
        for number, column in enumerate(columns, 1):
            if (first := seen.setdefault(column, number)) != number:
                yield self._mistake(f"columns {first} and {number} are both named {column!r}", "rename one", 1)

    # ------------------------------------------------------------ CSV and TSV

    def _first_line(self) -> tuple[str, ...]:
        self._layout = self._separated.layout()
        return self._layout.columns

    def _cells(self, wrong: RowMistakes, notes: Notes) -> Iterator[NumberedRow]:
        layout = self._layout or self._separated.layout()
        return self._separated.rows(layout, wrong, notes)

    # ------------------------------------------------------------ JSON lines

    def _first_object(self, mistakes: Mistakes) -> tuple[str, ...]:
        wrong = RowMistakes(self.name)
        for _, row in self._objects(wrong):
            return tuple(row)
        for mistake in wrong.reported():
            mistakes.append(mistake)
        return ()

    def _objects(self, wrong: RowMistakes) -> Iterator[NumberedRow]:
        text = Text(self._file, name=self.name)
        columns: tuple[str, ...] | None = None
        for number, line in enumerate(text.lines(), 1):
            if not line.strip():
                continue
            try:
                row = _flat(line)
            except _NoRowError as error:
                wrong.add(str(error), "one flat object a line; is it CSV? then name it .csv", number)
                continue
            if columns is None:
                columns = tuple(row)
            if row.keys() != set(columns):
                message = "does not have the keys of the first row: " + ", ".join(columns)
                wrong.add(message, 'write "" for what is empty', number)
            else:
                yield number, {column: row[column] for column in columns}
        if not text.ends_in_newline:
            raise MalformedTextError(
                self._mistake("does not end in a newline: it was cut", "end the last line", text.line)
            )

    def _mistake(self, message: str, remedy: str | None, line: int | None = None) -> Mistake:
        return Mistake(message, remedy, line=line, file=self.name)


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
