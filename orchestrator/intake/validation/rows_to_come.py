"""A job that is made of the rows of an earlier one: what can be checked before there are any."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.domain.kinds import Kind
from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.queue_file.absent_columns import columns_meant, spelt
from orchestrator.domain.queue_file.model import QueuedJob
from orchestrator.domain.queue_file.placeholder import CellError, parse
from orchestrator.domain.queue_file.template import compile_template, filled_at, uses_of
from orchestrator.intake.reading.tables import Table
from orchestrator.intake.rows.job_table import FACTS, OWN_COLUMNS, column_of

_PROBE = "1"
"""A cell for an item that is made before there are rows: a text, a number, and an entry of a list."""


def columns_of_rows(raws: Sequence[Mapping[str, Any]], tables: Mapping[str, Table]) -> dict[str, frozenset[str]]:
    """The columns that the rows of each job of a file will have without `facts.…`, by its folded name.

    A job that is made of rows itself, or whose table cannot be read, is not among them.
    """
    found: dict[str, frozenset[str]] = {}
    for raw in raws:
        name, table = raw.get("name"), raw.get("table")
        if not isinstance(name, str) or isinstance(table, dict):
            continue
        columns: tuple[str, ...] | None = ()
        if isinstance(table, str):
            columns = tables[table].columns_by_any_separator() if table in tables else None
        if columns is not None:
            found[name.casefold()] = frozenset({*OWN_COLUMNS, *map(column_of, columns)})
    return found


class RowsToCome:
    """The template of one job, checked without a row."""

    def __init__(
        self, job: QueuedJob, template: Mapping[str, Any], kind: Kind | None, columns: frozenset[str] | None
    ) -> None:
        """`columns` are those of the rows, without `facts.…`; None where the earlier job is not in the same file."""
        self._source = job.rows.job if job.rows else ""
        self._job = job
        self._value = dict(template)
        self._kind = kind
        self._columns = columns
        self._template = compile_template(
            self._value, ("template",), columns or OWN_COLUMNS, kind.repeats if kind is not None else frozenset()
        )

    def mistakes(self) -> Iterator[Mistake]:
        """What is wrong whatever the rows say, with paths below the job."""
        if self._template.mistakes:
            yield from self._template.mistakes
            return
        yield from self._unknown_columns()
        yield from self._constants()

    def notes(self) -> Iterator[str]:
        """What cannot be checked before."""
        used = self._template.columns | ({self._job.group_by} if self._job.group_by else set())
        unchecked = sorted(used - set(OWN_COLUMNS) - (self._columns or frozenset()))
        text = f"its items are made of the rows of {self._source}, and checked when that job has settled"
        if unchecked:
            text += f"; whether there are columns {', '.join(unchecked)} is known then"
        yield text

    def _unknown_columns(self) -> Iterator[Mistake]:
        if self._columns is None:
            return
        uses = [(parse(inside, self._columns).column, path) for inside, path in uses_of(self._value, ("template",))]
        if self._job.group_by:
            uses.append((self._job.group_by, ("group_by",)))
        first: dict[str, Path] = {}
        for column, path in uses:
            if column not in self._columns and not column.startswith(FACTS):
                first.setdefault(column, path)
        known = ", ".join((*OWN_COLUMNS, *sorted(self._columns - set(OWN_COLUMNS)), f"{FACTS}…"))
        if first:
            remedy = " ".join(filter(None, (columns_meant(first, self._columns), f"its columns are {known}")))
            message = f"the rows of {self._source} have no column for {spelt(first)}"
            yield Mistake(message, remedy, next(iter(first.values())))

    def _constants(self) -> Iterator[Mistake]:
        """The mistakes of an item that no row can put right."""
        item = self._probe()
        if item is None or self._kind is None:
            return
        for mistake in self._kind.mistakes_of_item(item, self._job.engine):
            if not filled_at(self._value, mistake.path):
                yield Mistake(mistake.message, mistake.remedy, ("template", *mistake.path))

    def _probe(self) -> dict[str, Any] | None:
        row = dict.fromkeys(self._template.columns, _PROBE)
        for _ in row:
            try:
                item: dict[str, Any] = self._template.fill(row)
            except CellError as error:
                if row[error.column] != _PROBE:
                    return None  # one column is used as two types
                row[error.column] = "true"
            else:
                return item
        return self._template.fill(row) if not row else None
