"""Where the items of a job come from: its list of items, or the rows of its table, with its template."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import IO, Any, NamedTuple, Protocol

from orchestrator.domain.kinds import Kind
from orchestrator.domain.messages.mistake import Mistake, Mistakes, Path
from orchestrator.domain.messages.note import Notes
from orchestrator.domain.queue_file.absent_columns import absent_columns, listed
from orchestrator.domain.queue_file.estimate import from_canonical
from orchestrator.domain.queue_file.nearest import did_you_mean
from orchestrator.domain.queue_file.placeholder import CellError, Row, parse
from orchestrator.domain.queue_file.template import Template, compile_template, merge, uses_of
from orchestrator.intake.directory.temporary_files import TemporaryFiles
from orchestrator.intake.reading.separated_values import NumberedRow
from orchestrator.intake.reading.spill import read_portions
from orchestrator.intake.validation.cell_notes import CellNotes
from orchestrator.intake.validation.document import ItemRun
from orchestrator.intake.validation.grouping import gathered, joined
from orchestrator.intake.validation.repeated_mistakes import RepeatedMistakes


class Rows(Protocol):
    """A table, or the rows of an earlier job; see `Table`."""

    name: str
    is_result: bool

    @property
    def header_line(self) -> int | None: ...

    def columns(self, mistakes: Mistakes) -> tuple[str, ...] | None: ...

    def rows(self, mistakes: Mistakes, notes: Notes | None = None) -> Iterator[NumberedRow | None]: ...

    def place(self, line: int) -> str: ...

    def other_separator(self, columns: tuple[str, ...]) -> str | None: ...

    def separate_by(self, separator: str, notes: Notes) -> None: ...

    def without_columns(self, columns: tuple[str, ...], needed: frozenset[str]) -> Mistake | None: ...


class Entry(NamedTuple):
    """One item on its way."""

    seq: int
    item: Any
    request: bytes | None
    """The item in its canonical spelling, where that is there already."""
    row: Mapping[str, str] | None
    line: int
    """In the table; 0 for an item of the document."""
    own: object = None
    """What an item of the document says itself, where it was laid over a template."""


class Entries:
    """The items of one job."""

    def __init__(
        self, path: Path, under: dict[str, Any] | None, *, mistakes: Mistakes, notes: Notes, scratch: TemporaryFiles
    ) -> None:
        """`under` is the template, `path` that of the job."""
        self._path = path
        self._under = under
        self._mistakes = mistakes
        self._notes = notes
        self._scratch = scratch
        self._repeats: frozenset[str] = frozenset()
        self.counted: int | None = None
        """Items or rows that there are; None where that cannot be known."""

    def from_items(self, run: ItemRun, items: IO[bytes]) -> Iterator[Entry]:
        """What the document lists, each laid over the template."""
        self.counted = run.count
        under: dict[str, Any] = {}
        if self._under:
            template = self._template(self._under, (), _no_table)
            if template is None:
                return
            under = template.fill({})
        seq = 0
        for portion in read_portions(items, run.offset, run.count, list[bytes]):
            for spelling in portion:
                seq += 1
                item = from_canonical(spelling)
                if under:
                    yield Entry(seq, merge(under, item), None, None, 0, item)
                else:
                    yield Entry(seq, item, spelling, None, 0)

    def from_table(self, table: Rows, kind: Kind | None, group_by: str | None) -> Iterator[Entry | None]:
        """What the rows say, filled into the template where there is one; None for a row that makes no item."""
        wrong = Mistakes()
        self._repeats = kind.repeats if kind is not None else frozenset()
        columns = self._columns(table, kind, wrong)
        if columns is not None:
            self.counted = 0
            yield from self._rows(table, columns, kind, group_by, wrong)
        if wrong:
            self.counted = None
        self._mistakes.extend(wrong)

    def _columns(self, table: Rows, kind: Kind | None, wrong: Mistakes) -> tuple[str, ...] | None:
        columns = table.columns(wrong)
        needed = _needed(self._under, kind, columns or ())
        if columns and not needed <= set(columns) and (separator := table.other_separator(columns)):
            table.separate_by(separator, self._notes)
            columns = table.columns(wrong)
        if not columns:
            return None
        if not needed <= set(columns) and (odd := table.without_columns(columns, needed)):
            wrong.append(odd)
            return None
        if table.is_result:
            if not self._under:
                message = "is a result table of this program: its rows are not items"
                remedy = "write a `template` that names the columns to use, such as `${key}` or `${remote_id}`"
                wrong.add(message, remedy, file=table.name, line=1)
                return None
            self._notes.add("is a result table of this program, read with its own columns", place=table.name)
        return columns

    def _rows(
        self, table: Rows, columns: tuple[str, ...], kind: Kind | None, group_by: str | None, wrong: Mistakes
    ) -> Iterator[Entry | None]:
        value = self._under
        template = self._template(value, columns, partial(absent_columns, table)) if value else None
        rows: Iterator[tuple[int, Row] | None] = table.rows(wrong, self._notes)
        if group_by is not None:
            if group_by not in columns:
                text = did_you_mean(group_by, columns) or "its columns are " + listed(columns)
                self._mistakes.add(f"{table.name} has no column {group_by!r}", text, path=(*self._path, "group_by"))
                template = None
            else:
                rows = gathered(table.rows(wrong, self._notes), group_by, self._scratch.file())
        cells = CellNotes(table.name, columns, template, self._notes)
        unfit = RepeatedMistakes()
        if value is None and kind is not None:
            cells.note_extra_columns(kind)
        counted = 0
        for found in rows:
            if found is None:
                yield None
                continue
            line, row = found
            counted += 1
            self.counted = counted
            cells.see(line, row)
            if template is not None:
                try:
                    item = template.fill(row)
                except CellError as error:
                    unfit.add_cell(Mistake(error.what, error.remedy, line=line, file=table.name, column=error.column))
                    yield None
                    continue
                yield Entry(counted, item, None, joined(row), line)
            elif value is None:
                texts = joined(row)
                yield Entry(counted, texts, None, texts, line)
            else:
                yield None
        for mistake in unfit.reported(table.name):
            wrong.append(mistake)

    def _template(
        self,
        value: dict[str, Any],
        columns: Sequence[str],
        absent: Callable[[Mapping[str, Path], Sequence[str]], Mistake],
    ) -> Template | None:
        """The template, or None when it has mistakes or names columns that there are not."""
        path = (*self._path, "template")
        template = compile_template(value, path, columns, self._repeats)
        for mistake in template.mistakes:
            self._mistakes.append(mistake)
        unknown = template.columns - set(columns)
        places: dict[str, Path] = {}
        for inside, place in uses_of(value, path) if unknown else ():
            column = parse(inside, columns).column
            if column in unknown:
                places.setdefault(column, place)
        if places:
            self._mistakes.append(absent(places, columns))
        return None if unknown or template.mistakes else template


def _no_table(places: Mapping[str, Path], _: Sequence[str]) -> Mistake:
    """What is wrong with a template that names columns where there is no table."""
    names = ", ".join(f"${{{column}}}" for column in places)
    remedy = "`$${` stands for the characters themselves"
    return Mistake(f"there is no table to fill {names}", remedy, next(iter(places.values())))


def _needed(template: dict[str, Any] | None, kind: Kind | None, columns: Sequence[str]) -> frozenset[str]:
    """Columns that a table must have."""
    if template:
        return compile_template(template, columns=columns).columns
    return frozenset(kind.keys) if kind and len(kind.keys) == 1 else frozenset()
