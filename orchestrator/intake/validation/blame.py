"""Which cell of a row is to blame for an item, and what is wrong with the cells that make its key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.kinds import Kind
from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.messages.printable import foreign_in
from orchestrator.domain.queue_file.cells import no_value, spreadsheet_made
from orchestrator.domain.queue_file.placeholder import parse
from orchestrator.domain.queue_file.template import filled_at, uses_of


def _columns_of(text: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    """The columns that a text of a template is filled from, each once."""
    return tuple(dict.fromkeys(parse(inside, columns).column for inside, _ in uses_of(text)))


def column_to_blame(text: str, row: Mapping[str, str]) -> str | None:
    """The column whose cell makes a filled text wrong; several where that cannot be decided."""
    columns = _columns_of(text, row)
    if len(columns) > 1:
        odd = [each for each in columns if _is_odd(row.get(each, ""))]
        columns = tuple(odd) or columns
    return ", ".join(columns) or None


def comes_from(text: str, *, is_empty: bool) -> str:
    """The remedy where the mistake has none of its own: what of the template it comes from."""
    ((inside, _), *others) = uses_of(text)
    if is_empty and not others and text == f"${{{inside}}}":
        return f"enter the value, or write `${{?{inside}}}`, which leaves the element out where the cell is empty"
    return f"it comes from `{text}`"


def _is_odd(cell: str) -> bool:
    return not cell or any(True for _ in foreign_in(cell)) or bool(no_value(cell) or spreadsheet_made(cell))


@dataclass(slots=True)
class KeyTexts:
    """The texts of a template that make the keys of a job's items."""

    _texts: list[tuple[Path, str]] | None = field(default=None)

    def mistakes_of(
        self, kind: Kind, template: Mapping[str, Any], row: Mapping[str, str], found: tuple[Mistake, ...]
    ) -> tuple[Mistake, ...]:
        """What is wrong with an item, with what is wrong with the cells of its key; that comes before its spelling."""
        if self._texts is None:
            self._texts = [(path, text) for path in kind.key_paths if (text := filled_at(template, path))]
        for path, text in self._texts:
            for column in _columns_of(text, row):
                if (wrong := self._wrong_cell(text, path, column, row[column])) is not None:
                    return (wrong, *(each for each in found if each.path != path))
        return tuple(self._explained(each, row) for each in found) if found else found

    def _wrong_cell(self, text: str, path: Path, column: str, cell: str) -> Mistake | None:
        field_name = str(path[-1])
        if not cell:
            if text == f"${{{column}}}":
                return None  # an empty key is reported as such
            message = f"is empty inside the longer text `{text}` of {field_name}"
            return Mistake(message, "enter the value, or remove the row", path, column=column)
        if (odd := no_value(cell)) is not None:
            return Mistake(f"{cell!r} {odd.what}, and is part of {field_name}", odd.remedy, path, column=column)
        return None

    def _explained(self, mistake: Mistake, row: Mapping[str, str]) -> Mistake:
        """With what a spreadsheet made of the cell, where that is why the key is misspelt."""
        text = next((text for path, text in self._texts or () if path == mistake.path), None)
        for column in _columns_of(text, row) if text else ():
            if (made := spreadsheet_made(row[column])) is not None:
                message = f"{mistake.message}; {row[column]!r} {made.what}"
                return Mistake(message, made.remedy, mistake.path, column=column)
        return mistake
