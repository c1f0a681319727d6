"""Notes on the cells of a table that would be sent as they are, although a spreadsheet or an export made them odd."""

from collections.abc import Sequence

from orchestrator.domain.kinds import Kind
from orchestrator.domain.messages.mistake import spell
from orchestrator.domain.messages.note import Notes
from orchestrator.domain.messages.printable import invisible_in, name_of
from orchestrator.domain.queue_file.cells import SUSPECT, no_value, spreadsheet_made
from orchestrator.domain.queue_file.nearest import did_you_mean
from orchestrator.domain.queue_file.placeholder import Row
from orchestrator.domain.queue_file.template import Template


class CellNotes:
    """Looks at each row of one table, in those of its columns that are used."""

    def __init__(self, table: str, columns: Sequence[str], template: Template | None, notes: Notes) -> None:
        self._table = table
        self._notes = notes
        self._used = tuple(column for column in columns if template is None or column in template.columns)
        self._mixed = template.mixed if template else ()

    def see(self, line: int, row: Row) -> None:
        """Note what is odd about a row."""
        for column in self._used:
            cell = row[column]
            if not cell:
                self._empty(line, column)
                continue
            for text in (cell,) if isinstance(cell, str) else cell:
                if SUSPECT.fullmatch(text) or not text.isascii():
                    self._odd(line, column, text)

    def note_extra_columns(self, kind: Kind) -> None:
        """Columns that are no known field of the items are sent as fields all the same."""
        known = kind.fields
        for column in self._used:
            if known and column not in known:
                meant = did_you_mean(column, known)
                message = f"is no known field of {kind.name}, and is sent as it is" + (f": {meant}" if meant else "")
                self._notes.add(message, place=self._table, line=1, column=column)

    def _odd(self, line: int, column: str, text: str) -> None:
        found = spreadsheet_made(text) or no_value(text) if SUSPECT.fullmatch(text) else None
        if found is not None:
            message = f"{found.what}; it is sent as it is - {found.remedy}"
            self._notes.add(message, place=self._table, line=line, column=column, example=text)
        if not text.isascii() and (hidden := invisible_in(text)) is not None:
            message = f"holds {name_of(hidden)}, which does not show; it is sent as it is"
            self._notes.add(message, place=self._table, line=line, column=column, example=text)

    def _empty(self, line: int, column: str) -> None:
        for path, text, columns in self._mixed:
            if column in columns:
                message = f"is empty inside the longer text `{text}` of {spell(path)}"
                self._notes.add(message, place=self._table, line=line, column=column)
