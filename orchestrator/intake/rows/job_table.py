"""The items of a job as the rows of a table, for another job that is made of them.

The columns are `key state status stage remote_id parent`, those of the table that the job was made from, and `facts.…`,
one level deep. A column of that table whose name is one of these, or looks like one of `facts.…` and `table.…`, is
named `table.NAME`. The rows lie on a scratch file: memory holds one portion of them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.domain.messages.mistake import Mistake, Mistakes
from orchestrator.domain.messages.note import Notes
from orchestrator.domain.model import Item
from orchestrator.domain.queue_file.estimate import canonical, from_canonical
from orchestrator.intake.directory.temporary_files import TemporaryFiles
from orchestrator.intake.reading.separated_values import NumberedRow
from orchestrator.intake.reading.spill import PortionWriter, read_portions
from orchestrator.intake.reading.tables import MOST_COLUMNS

OWN_COLUMNS = ("key", "state", "status", "stage", "remote_id", "parent")
"""What every item has."""
FACTS, TABLE = "facts.", "table."
"""The beginnings of the columns for what a platform reports besides, and for a table's column whose name is taken."""

_Row = dict[str, str]


def column_of(name: str) -> str:
    """Under which name a column of the earlier job's table can be used."""
    return TABLE + name if name in OWN_COLUMNS or name.startswith((FACTS, TABLE)) else name


class JobTable:
    """The rows of one job, read as often as they are asked for."""

    is_result = False
    header_line = None
    """Its columns stand in no file."""

    def __init__(self, name: str, scratch: TemporaryFiles) -> None:
        """`name` is that of the job."""
        self.name = name
        self.size = 0
        """Bytes of the rows, about."""
        self._file = scratch.file()
        self._writer = PortionWriter[_Row](self._file)
        self.count = 0
        self._of_table: dict[str, None] = {}
        self._of_facts: dict[str, None] = {}

    def add(self, items: Sequence[Item]) -> None:
        """The next items, in order, each with its table row and facts."""
        for item in items:
            row = _own(item)
            if item.row is not None:
                row |= {column_of(name): text for name, text in from_canonical(item.row).items()}
                self._of_table |= dict.fromkeys(list(row)[len(OWN_COLUMNS) :])
            if item.facts is not None:
                facts = _facts(item.facts)
                self._of_facts |= dict.fromkeys(facts)
                row |= facts
            size = sum(map(len, row.values()))
            self.size += size
            self._writer.add(row, size)
            self.count += 1

    def columns(self, mistakes: Mistakes) -> tuple[str, ...] | None:
        """The names of the columns; None, with the reason among the mistakes, when there are too many."""
        columns = (*OWN_COLUMNS, *self._of_table, *self._of_facts)
        if len(columns) > MOST_COLUMNS:
            mistakes.add(f"has {len(columns)} columns, and may have {MOST_COLUMNS}", file=self.name)
            return None
        return columns

    def rows(self, mistakes: Mistakes, notes: Notes | None = None) -> Iterator[NumberedRow]:  # noqa: ARG002 - as a table
        """The rows with their numbers; a row has an empty text in each column that its item does not have."""
        self._writer.flush()
        empty = dict.fromkeys((*OWN_COLUMNS, *self._of_table, *self._of_facts), "")
        number = 0
        for portion in read_portions(self._file, 0, self.count, list[_Row]):
            for row in portion:
                number += 1
                yield number, empty | row

    def place(self, line: int) -> str:
        """The row of that number, for messages: its item."""
        key = next((row["key"] for number, row in self.rows(Mistakes()) if number == line), str(line))
        return f"item {key}"

    # ------------------------------------------------------------ what only files need

    def other_separator(self, columns: tuple[str, ...]) -> str | None:  # noqa: ARG002 - as a table
        """None: nothing separates its cells."""
        return None

    def separate_by(self, separator: str, notes: Notes) -> None:
        """Never called."""
        raise NotImplementedError

    def without_columns(self, columns: tuple[str, ...], needed: Collection[str]) -> Mistake | None:  # noqa: ARG002
        """None: the template names the columns that it misses."""
        return None


def _own(item: Item) -> _Row:
    return {
        "key": item.key,
        "state": item.state.value,
        "status": item.status or "",
        "stage": item.stage,
        "remote_id": item.remote_id or "",
        "parent": item.parent_key or "",
    }


def _facts(text: str) -> _Row:
    facts = from_canonical(text)
    return {FACTS + name: _cell(value) for name, value in facts.items()} if isinstance(facts, Mapping) else {}


def _cell(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A text as it is; a list of plain values with `;` between, as `${column[]}` takes it apart; else JSON."""
    if isinstance(value, list):
        cells = [_cell(each) for each in value if not isinstance(each, list | dict)]
        plain = len(cells) == len(value) and all(each and ";" not in each for each in cells)
        return ";".join(cells) if plain else canonical(value).decode()
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case dict():
            return canonical(value).decode()
        case _:
            return str(value)
