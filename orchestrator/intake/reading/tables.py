"""Tables: CSV, TSV and JSON lines as rows of text.

A row is an object of texts with the same columns as every other row: a cell is never guessed to be a number, a date or
nothing. Spaces around a cell or a name are not part of it: they do not show, and no id has them. JSON lines hold one
flat object a line; numbers keep their digits, null is empty text.
"""

from collections.abc import Iterator
from typing import IO

from orchestrator.domain.messages.mistake import Mistake, Mistakes
from orchestrator.domain.messages.note import Notes
from orchestrator.domain.result_columns import is_result, unguarded
from orchestrator.intake.reading.foreign_formats import START, recognise
from orchestrator.intake.reading.separated_values import SEPARATORS, Layout, NumberedRow, Separated, named
from orchestrator.intake.reading.text import NO_NEWLINE, MalformedTextError, Text
from orchestrator.intake.rows.json_lines import SEVERAL_LINES, NoRowError, flat
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
        self._changed: str | None = None  # the separator that its name stands for, where the first line has another
        self._keys: tuple[str, ...] | None = None  # of the first row of JSON lines
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

    def rows(self, mistakes: Mistakes, notes: Notes | None = None) -> Iterator[NumberedRow | None]:
        """The rows; one that is wrong becomes a mistake, and None, so that the caller may pause however many are."""
        wrong = RowMistakes(self.name)
        try:
            rows = self._objects(wrong) if self._json else self._cells(wrong, Notes() if notes is None else notes)
            if not self.is_result:
                yield from rows
            else:
                for found in rows:
                    yield found and (found[0], {column: unguarded(cell) for column, cell in found[1].items()})
        except MalformedTextError as error:
            mistakes.append(error.mistake)
        finally:
            for mistake in wrong.reported():
                mistakes.append(mistake)

    @property
    def header_line(self) -> int:
        """The line of the column names."""
        return self._layout.line if self._layout else 1

    def place(self, line: int) -> str:
        """The row on that line, for messages."""
        return f"line {line}"

    def other_separator(self, columns: tuple[str, ...]) -> str | None:
        """What separates the cells instead, when the first line was read as one column; None where nothing does."""
        if self._json or len(columns) != 1:
            return None
        own = self._separated.delimiter
        return next((each for each in SEPARATORS if each != own and each in columns[0]), None)

    def columns_by_any_separator(self) -> tuple[str, ...] | None:
        """The names of the columns, and those that another separator would make; None where they cannot be found."""
        columns = self.columns(Mistakes())
        if columns is None or (separator := self.other_separator(columns)) is None:
            return columns
        try:
            return columns + Separated(self._file, self.name, separator).layout().columns
        except MalformedTextError:
            return columns

    def separate_by(self, separator: str, notes: Notes) -> None:
        """Read it with another separator from now on."""
        self._note_separator(self._separated.delimiter, separator, notes)
        self._separated.delimiter = separator

    def _note_separator(self, own: str, found: str, notes: Notes) -> None:
        text = f"is separated by {named(found)} in place of {named(own)}, and was read so"
        notes.add(text, place=self.name)

    def without_columns(self, columns: tuple[str, ...], needed: frozenset[str]) -> Mistake | None:
        """Why none of the columns that are needed is there, where the table itself shows it; None otherwise."""
        if self._json:
            return None
        if needed & set(columns):
            missing = needed - set(columns)
            return self._turned(needed) or self._on_two_lines(missing) or self._without_a_name(missing)
        if len(columns) == 1 and self._separated.delimiter in columns[0]:
            message = "has lines that stand in quotes as a whole: it was exported twice"
            return self._mistake(message, "export it once more from the program that it comes from", 1)
        if len(columns) == 1 and needed <= set(columns[0].split()):
            return self._by_spaces()
        line = self._separated.line_of_columns(needed) if needed else None
        if line is not None and line > self.header_line:
            return self._mistake(f"names its columns on line {line}", "remove the lines above it", 1)
        return None

    def _without_a_name(self, missing: frozenset[str]) -> Mistake | None:
        """Whether the first column has no name, as R and pandas write the names of rows."""
        if self._layout is None or self._layout.places[0] == 0 or len(missing) != 1:
            return None
        (name,) = missing
        message = f"has no column for ${{{name}}}, and its first column has no name"
        return self._mistake(message, f"is it that column? then write `{name}` in front of the first separator", 1)

    def _turned(self, needed: frozenset[str]) -> Mistake | None:
        """Whether the columns are lines: the first one has a column's name, as the corner of the table."""
        if not self._separated.is_turned(needed):
            return None
        message = "names its columns in the first cell of each line: rows and columns are exchanged"
        return self._mistake(message, 'copy it in the spreadsheet, then use "Paste special" with "Transpose"', 1)

    def _on_two_lines(self, missing: frozenset[str]) -> Mistake | None:
        """Whether the columns that the first line lacks are named below it, as where cells of the header are merged."""
        line = self._separated.line_of_columns(missing) if missing else None
        if line is None or not self.header_line < line <= _HEADER_LINES:
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
        yield from self._same_names(columns)

    def _same_names(self, columns: tuple[str, ...]) -> Iterator[Mistake]:
        """Columns that are named alike, as one mistake; columns are counted with those that have no name."""
        places = self._layout.places if self._layout else range(len(columns))
        seen: dict[str, list[int]] = {}
        for place, column in zip(places, columns, strict=True):
            seen.setdefault(column, []).append(place + 1)
        twice = {column: found for column, found in seen.items() if len(found) > 1}
        if not twice:
            return
        alike = [f"{' and '.join(map(str, found))} are named {column!r}" for column, found in twice.items()]
        remedy = "rename one"
        if len(twice) > 1:
            remedy = "rename them; are there two tables side by side? put one below the other"
        yield self._mistake(f"columns {', '.join(alike)}", remedy, self.header_line)

    # ------------------------------------------------------------ CSV and TSV

    def _first_line(self) -> tuple[str, ...]:
        try:
            self._layout = self._separated.layout()
        except MalformedTextError:
            self._read_as_quoted()
            self._layout = self._separated.layout()
        return self._layout.columns

    def _read_as_quoted(self) -> None:
        """Read it with what separates its quoted names. Raises MalformedTextError where those are spaces."""
        separator = self._separated.separator_of_quoted()
        if separator == " ":
            raise MalformedTextError(self._by_spaces())
        if separator in SEPARATORS:
            self._changed = self._separated.delimiter
            self._separated.delimiter = separator

    def _cells(self, wrong: RowMistakes, notes: Notes) -> Iterator[NumberedRow | None]:
        layout = self._layout or self._separated.layout()
        if self._changed is not None:
            self._note_separator(self._changed, self._separated.delimiter, notes)
        return self._separated.rows(layout, wrong, notes)

    # ------------------------------------------------------------ JSON lines

    def _first_object(self, mistakes: Mistakes) -> tuple[str, ...]:
        wrong = RowMistakes(self.name)
        next(filter(None, self._objects(wrong)), None)
        for mistake in () if self._keys else wrong.reported():
            mistakes.append(mistake)
        return self._keys or ()

    def _objects(self, wrong: RowMistakes) -> Iterator[NumberedRow | None]:
        text = Text(self._file, name=self.name)
        for number, line in enumerate(text.lines(), 1):
            if not line.strip():
                continue
            if self._keys is None and line.strip() in ("[", "{", "[{"):
                raise MalformedTextError(self._mistake(*SEVERAL_LINES, number))
            try:
                row = flat(line)
            except NoRowError as error:
                self._keys = self._keys or error.keys
                wrong.add(str(error), error.remedy, number)
                yield None
                continue
            if self._keys is None:
                self._keys = tuple(row)
            if row.keys() != set(self._keys):
                message = "does not have the keys of the first row: " + ", ".join(self._keys)
                wrong.add(message, 'write "" for what is empty', number)
                yield None
            else:
                yield number, {column: row[column] for column in self._keys}
        if not text.ends_in_newline:
            raise MalformedTextError(self._mistake(*NO_NEWLINE, text.line))

    def _by_spaces(self) -> Mistake:
        remedy = f"separate the cells by {named(self._separated.delimiter)}"
        return self._mistake("has columns that are separated by spaces", remedy, 1)

    def _mistake(self, message: str, remedy: str | None, line: int | None = None) -> Mistake:
        return Mistake(message, remedy, line=line, file=self.name)
