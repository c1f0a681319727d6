"""Which cell of a row is to blame for an item, and what is wrong with the cells that make its key."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.domain.kinds import Kind
from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.messages.printable import foreign_in
from orchestrator.domain.queue_file.cells import decimal_made, no_value, spreadsheet_made
from orchestrator.domain.queue_file.placeholder import parse
from orchestrator.domain.queue_file.template import filled_at, uses_of, value_at


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
    return f"correct the cell; the template writes it into `{text}`"


_WRITTEN = {
    "text": "write `${{{2}}}`, without a type",
    "a list": 'write `["{0}"]`, or `${{{1}[]}}` for a cell of several values with `;` between',
    "a whole number": "write `${{{1}:int}}`",
    "true or false": "write `${{{1}:bool}}`",
    "an object (keys and values)": "write the object in the template, with a placeholder for each of its values",
}
"""What to write in the template where a cell, which is a text, stands for something else."""
_FOREIGN_PLACEHOLDER = re.compile(r"\{\{\s*([\w. -]+?)\s*\}\}|(?<!\$)\{([\w. -]+)\}|\$(\w+)|%(\w+)%|<([\w. -]+)>")
"""How other programs write a placeholder."""


def of_cell(mistake: Mistake, template: Mapping[str, Any], row: Mapping[str, str]) -> Mistake | None:
    """The mistake with the column whose cell it comes from; None where the template is to blame."""
    text = filled_at(template, mistake.path)
    if text is None or mistake.wanted is not None:
        return None
    remedy = mistake.remedy or comes_from(text, is_empty=mistake.message == "is empty")
    return replace(mistake, remedy=remedy, column=mistake.column or column_to_blame(text, row))


def of_bare_cell(mistake: Mistake) -> Mistake:
    """The mistake of a cell that is a field of the item itself, for there is no template."""
    remedy = "a cell is a text: write a `template` that has the value, filled from the columns"
    return replace(mistake, column=str(mistake.path[0]), remedy=mistake.remedy if mistake.wanted is None else remedy)


def of_template(mistake: Mistake, template: Mapping[str, Any], columns: Collection[str]) -> Mistake:
    """The mistake of a template, with what to write in it."""
    text, wanted = filled_at(template, mistake.path), mistake.wanted
    if text is None or wanted is None:
        return _of_constant(mistake, template, columns)
    inside = next(inside for inside, _ in uses_of(text))
    remedy = _WRITTEN[wanted].format(text, inside, parse(inside, columns).column) if wanted in _WRITTEN else None
    given = "is none" if wanted == "text" else "is a text"
    return replace(mistake, message=f"must be {wanted}, and `{text}` {given}", remedy=remedy)


def _of_constant(mistake: Mistake, template: Mapping[str, Any], columns: Collection[str]) -> Mistake:
    """The mistake of what is the same in every row, with the placeholder that was meant to stand there."""
    value = value_at(template, mistake.path)
    if not value and mistake.message.startswith("is empty"):
        return replace(mistake, remedy="enter the value; a text that begins with `#` needs quotes, for it is a comment")
    if not isinstance(value, str):
        return mistake
    names = {name for found in _FOREIGN_PLACEHOLDER.findall(value) for name in found if name}
    if not names or not names <= set(columns):
        return mistake
    meant = _FOREIGN_PLACEHOLDER.sub(lambda found: "${" + next(filter(None, found.groups())) + "}", value)
    return replace(mistake, remedy=f"a column is written `${{...}}`: did you mean `{meant}`?")


def _is_odd(cell: str) -> bool:
    return not cell or any(True for _ in foreign_in(cell)) or bool(no_value(cell) or spreadsheet_made(cell))


@dataclass(slots=True)
class KeyTexts:
    """The texts of a template that make the keys of a job's items, with the columns that they are filled from."""

    _texts: list[tuple[Path, str, tuple[str, ...]]] | None = field(default=None)

    def mistakes_of(
        self, kind: Kind, template: Mapping[str, Any], row: Mapping[str, str], found: tuple[Mistake, ...]
    ) -> tuple[Mistake, ...]:
        """What is wrong with an item, with what is wrong with the cells of its key; that comes before its spelling."""
        if self._texts is None:
            filled = ((path, filled_at(template, path)) for path in kind.key_paths)
            self._texts = [(path, text, _columns_of(text, row)) for path, text in filled if text]
        for path, text, columns in self._texts:
            for column in columns:
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
        for column in next((columns for path, _, columns in self._texts or () if path == mistake.path), ()):
            if (made := spreadsheet_made(row[column]) or decimal_made(row[column])) is not None:
                message = f"{mistake.message}; {row[column]!r} {made.what}"
                return Mistake(message, made.remedy, mistake.path, column=column)
        return mistake
