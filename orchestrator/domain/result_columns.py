"""The result table `JOB.csv`: its own columns, and the quote that keeps a cell from running as a formula.

The writer uses this, and so does the reader of tables, which recognises a result that is used as a table again.
"""

import re
from collections.abc import Collection

ITEM_COLUMNS = (
    "key",
    "batch",
    "stage",
    "state",
    "status",
    "remote_id",
    "detail",
    "attempts",
    "previous_ids",
    "parent",
    "facts",
    "submitted_at",
    "finished_at",
)
"""The fields of an item."""
VERDICT_COLUMNS = ("state", "reason", "duration_s", "link")
"""What a reader looks for first: behind the table's own columns, and before the other fields of the item."""
OUR_COLUMNS = (*VERDICT_COLUMNS, *(name for name in ITEM_COLUMNS if name not in VERDICT_COLUMNS))
"""All columns of the CSV that are not the table's, in their order."""

_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
"""What a spreadsheet drops, or does not show, before it reads a cell."""
_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]")
"""How a formula begins; a spreadsheet set to an East Asian language reads the full-width forms alike."""
_SIGNED = re.compile(r"[+-](?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)?")
"""A number with a sign, or a sign alone (a strand): what begins like a formula and is none."""


_RECOGNISED = frozenset({"key", "batch", "stage", "state", "status", "remote_id", "attempts", "previous_ids"})
"""Columns that every version has written."""


def is_result(columns: Collection[str]) -> bool:
    """Whether a table with these columns is a result table of this or an earlier version."""
    return set(columns) >= _RECOGNISED


def guarded(cell: str) -> str:
    """The cell as it is written: a leading quote keeps what a spreadsheet would run as a formula text."""
    return f"'{cell}" if _runs(cell) else cell


def unguarded(cell: str) -> str:
    """The cell without the quote that `guarded` put in front of it; any other cell as it is."""
    return cell[1:] if cell[:1] == "'" and _runs(cell[1:]) else cell


def _runs(cell: str) -> bool:
    if _SIGNED.fullmatch(cell):
        return False
    unseen = _UNSEEN.match(cell)
    shown = unseen.end() if unseen else 0
    # A control character at the start is quoted whatever follows: programs differ in what they make of it.
    return bool(_FORMULA.match(cell, shown)) or any(character < " " for character in cell[:shown])
