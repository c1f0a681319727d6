"""What is no item at all: lines of a table that are no rows (the column names again, a total, a rule), ids alone."""

import re
from collections.abc import Mapping

from orchestrator.domain.kinds import Kind
from orchestrator.domain.messages.mistake import Mistake

_RULE = re.compile(r":?-{2,}:?")
_TOTAL = re.compile(r"(?:grand )?total|sub-?total|sum|summe|gesamt|count|average|mean|mittelwert", re.IGNORECASE)
_FEW = 2
"""A table of so many columns has rows of which one cell alone is filled."""


def repeats_columns(row: Mapping[str, str]) -> Mistake | None:
    """Whether a row has the column names as its cells, as where two exports were put together."""
    for name, cell in row.items():
        if cell != name:
            return None
    return Mistake("repeats the names of the columns", "remove the line")


def no_row(row: Mapping[str, str]) -> Mistake | None:
    """What a row that makes no valid item is in place of a row; None where it may be one with a mistake."""
    filled = [cell for cell in row.values() if cell]
    if filled and all(_RULE.fullmatch(cell) for cell in filled):
        return Mistake("is a line of dashes, as in a Markdown table", "remove the line")
    if len(filled) == 1 and len(row) > _FEW:
        text = f"has one cell alone, {filled[0]!r}: is it a total, a title or a comment?"
        return Mistake(text, "remove the line, or fill in its other cells")
    if filled and _TOTAL.fullmatch(filled[0]):
        return Mistake(f"begins with {filled[0]!r}: is it the total of the rows above?", "remove the line")
    return None


def no_object(item: object, kind: Kind | None) -> Mistake:
    """Why an entry of `items` that is no object is no item, such as an id alone."""
    named = kind is not None and len(kind.keys) == 1 and isinstance(item, str)
    remedy = f"write `- {{{kind.key}: {item}}}`" if kind is not None and named else "write `- {key: value}`"
    return Mistake("must be an object (keys and values)", remedy)
