"""CSV and TSV as programs really export them: RFC 4180, and what has only one meaning beside it.

Understood: byte order marks, however many; Excel's line `sep=;`; carriage returns (CR) alone as line ends; empty
columns and trailing separators; columns without a name, which are left out; the row numbers that R and pandas put in
front. What is something else is refused with one message that says what it is.
"""

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import IO

from orchestrator.domain.messages.mistake import Mistake
from orchestrator.domain.messages.note import Notes
from orchestrator.intake.reading.foreign_formats import is_data_section, is_sample_sheet
from orchestrator.intake.reading.text import NO_NEWLINE, PIECE, Bytes, MalformedTextError, Text
from orchestrator.intake.validation.repeated_mistakes import RowMistakes

NumberedRow = tuple[int, dict[str, str]]
"""The line on which the row begins, and its cells by column."""

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars (`|`)", ",": "commas"}
"""Those that are recognised; a line `sep=:` may name any other."""

_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?[\s,;]*')
_QUOTED_NAME = re.compile(r'(?:\ufeff)*"(?:[^"]|"")*"([^"\r\n])')
_NUMBERED = 2
"""Rows that have to begin with their numbers; one alone may as well have a cell with a comma."""
_HEADER_WITHIN = 50
"""Records in which column names are searched for when the first line does not have them."""


def named(separator: str) -> str:
    """What a message calls a separator."""
    return SEPARATORS.get(separator, f"`{separator}`")


@dataclass(frozen=True, slots=True)
class Layout:
    """What the first lines say about the others."""

    columns: tuple[str, ...] = ()
    """The columns that have a name."""
    places: tuple[int, ...] = ()
    """Which cell of a record belongs to each."""
    width: int = 0
    """Cells of the first line, those without a name included."""
    first_number: int | None = None
    """Where each row begins with its number, which has no column: the first of them. None where none does."""
    line: int = 1
    """Of the column names."""


class Separated:
    """One CSV or TSV file, read from the start each time."""

    def __init__(self, file: IO[bytes], name: str, delimiter: str) -> None:
        self._file = file
        self._name = name
        self.delimiter = delimiter

    def layout(self) -> Layout:
        """The columns, and where their cells are. Raises SpoiltError."""
        records = self._records(self._text())
        line, header = next(records, (1, []))
        if header and is_sample_sheet(header[0]):
            raise MalformedTextError(self._sample_sheet(records))
        places = tuple(place for place, name in enumerate(header) if name)
        columns = tuple(header[place] for place in places)
        return Layout(columns, places, len(header), self._first_number(header, records), line)

    def rows(self, layout: Layout, wrong: RowMistakes, notes: Notes) -> Iterator[NumberedRow | None]:
        """The rows; one with another number of cells becomes a mistake, and None. Raises SpoiltError."""
        text = self._text()
        records = self._records(text)
        next(records, None)
        columns, plain = layout.columns, len(layout.places) == layout.width
        if layout.first_number is not None:
            notes.add("each row begins with its number, which has no column: left out", place=self._name)
        last, apart = layout.line, False
        for number, (line, record) in enumerate(records, layout.first_number or 0):
            cells = self._fitted(record, layout, number)
            apart = cells is None and (apart or line > last + 1)
            last = line
            if cells is None:
                self._odd_length(record, layout, line, wrong, apart=apart)
                yield None
            elif plain:
                yield line, dict(zip(columns, cells, strict=True))
            else:
                self._note_unnamed(cells, layout, line, notes)
                yield line, {column: cells[place] for column, place in zip(columns, layout.places, strict=True)}
        if not text.ends_in_newline:
            raise MalformedTextError(self._mistake(*NO_NEWLINE, text.line))

    def line_of_columns(self, needed: frozenset[str]) -> int | None:
        """The line near the top that names all of these columns, in whatever case; None where none does."""
        folded = {_plain(name) for name in needed}
        return next((line for line, record in self._top() if folded <= set(map(_plain, record))), None)

    def is_turned(self, needed: frozenset[str]) -> bool:
        """Whether the first cells of the lines near the top name all of these columns."""
        return len(needed) > 1 and needed <= {record[0] for _, record in self._top()}

    def separator_of_quoted(self) -> str | None:
        """What stands behind the first quoted name on the first line; None where it is no quoted name."""
        match = _QUOTED_NAME.match(next(self._text().lines(), ""))
        return match[1] if match else None

    def _top(self) -> Iterator[tuple[int, list[str]]]:
        """The records near the top, as far as they can be read."""
        with suppress(MalformedTextError):
            yield from islice(self._records(self._text()), _HEADER_WITHIN)

    # ------------------------------------------------------------ records

    def _first_number(self, header: list[str], records: Iterator[tuple[int, list[str]]]) -> int | None:
        """Whether the first rows begin with their numbers, as R and pandas write them: 0 or 1, and the next ones."""
        rows = [record for _, record in islice(records, _NUMBERED)]
        if len(rows) < _NUMBERED or not all(header) or any(len(row) != len(header) + 1 for row in rows):
            return None
        numbers = [row[0] for row in rows]
        return next((start for start in (0, 1) if numbers == [str(start), str(start + 1)]), None)

    def _fitted(self, record: list[str], layout: Layout, number: int) -> list[str] | None:
        """The cells of a record in the columns of the first line; None where there are too many or too few."""
        if layout.first_number is not None:
            if len(record) != layout.width + 1 or record[0] != str(number):
                return None
            record = record[1:]
        size, width = len(record), layout.width
        if size == width:
            return record
        if size > width:
            return None if any(record[width:]) else record[:width]
        if layout.places and size > layout.places[-1]:
            return record + [""] * (width - size)
        return None

    def _odd_length(self, record: list[str], layout: Layout, line: int, wrong: RowMistakes, *, apart: bool) -> None:
        """`apart`: it stands below an empty line, or below another such line."""
        size, width = len(record), layout.width
        if record[0].startswith("#"):
            wrong.add("is a comment, which a table has none of", "remove the line", line)
            return
        if apart:
            text = f"stands below an empty line, and has not the {width} cells of the column names"
            wrong.add(text, "is it a second table, a total or a remark? keep one table in the file", line)
            return
        cells = f"{size} cell" + ("s" if size != 1 else "")
        message = f"has {cells}, and the line of the column names has {width}"
        separator = named(self.delimiter)
        if size < width:
            remedy = f"empty cells at the end of a line need their {separator} too; was the line cut?"
            wrong.add(message, remedy, line, "too few")
            return
        remedy = f"put a cell that holds {separator} in quotes"
        if size == width + 1:
            remedy += "; R writes row names: use `row.names = FALSE`"
        elif width == 1:
            remedy = "is there a title above the column names? remove it"
        wrong.add(message, remedy, line, "too many")

    def _note_unnamed(self, cells: list[str], layout: Layout, line: int, notes: Notes) -> None:
        named = set(layout.places)
        for place, cell in enumerate(cells):
            if cell and place not in named:
                message = "has no name, and is left out"
                notes.add(message, place=self._name, line=line, column=f"number {place + 1}")

    def _records(self, text: Text) -> Iterator[tuple[int, list[str]]]:
        """Records that hold anything, each with its first line."""
        lines = text.lines()
        begin = next(lines, "")
        above = 1
        if match := _SEPARATOR_LINE.fullmatch(begin.rstrip("\r\n")):
            self.delimiter = match[1]
        else:
            lines = _chained(begin, lines)
            above = 0
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        line = 1 + above
        try:
            for cells in reader:
                record = [cell.strip() for cell in cells]
                if any(record):
                    yield line, record
                line = reader.line_num + 1 + above
        except csv.Error as error:
            what, remedy = _worded(str(error))
            message = f"is not {'TSV' if self.delimiter == chr(9) else 'CSV'}: {what}"
            raise MalformedTextError(self._mistake(message, remedy, line)) from error

    def _text(self) -> Text:
        return Text(_with_newlines(self._file), name=self._name)

    def _sample_sheet(self, records: Iterator[tuple[int, list[str]]]) -> Mistake:
        at = next((line for line, record in records if is_data_section(record[0])), None)
        below = f"below line {at}" if at else "below its [Data] section"
        message = "is an Illumina sample sheet: sections such as [Header], and no line of column names for all rows"
        remedy = f"make a table of the lines {below}, with a column for each id that the template needs"
        return self._mistake(message, remedy, 1)

    def _mistake(self, message: str, remedy: str | None, line: int) -> Mistake:
        return Mistake(message, remedy, line=line, file=self._name)


def _plain(name: str) -> str:
    """A name without its case and the `#` of a header that is written as a comment."""
    return name.lstrip("#").strip().casefold()


def _chained(first: str, others: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from others


def _worded(problem: str) -> tuple[str, str]:
    """What Python's reader of CSV reports, and what to do about it, without Python's own terms."""
    if problem.startswith("new-line character"):
        return "some lines end in a carriage return (CR) alone", "save it with one kind of line end: LF, or CR LF"
    if problem.startswith("unexpected end"):
        return "a quote is never closed", 'remove it, or close it; a quote inside a cell is written twice: "5"" tube"'
    if problem.startswith("field larger"):
        return "a cell is longer than may be", "is a quote never closed?"
    return "a cell has text behind its closing quote", 'a quote inside a cell is written twice: "5"" tube"'


class _CarriageReturns:
    """A file whose lines end in CR alone, read as if they ended in LF."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def read(self, size: int) -> bytes:
        return self._file.read(size).replace(b"\r", b"\n")


def _with_newlines(file: IO[bytes]) -> Bytes:
    file.seek(0)
    start = file.read(PIECE)
    return _CarriageReturns(file) if b"\r" in start[:-1] and b"\n" not in start else file
