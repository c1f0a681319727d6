"""Columns that a template names and a table lacks: one mistake for one table, with the names that were meant."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from orchestrator.domain.messages.mistake import Mistake, Path, spell
from orchestrator.domain.queue_file.nearest import Meant, meant, nearest

MOST_NAMED = 30
"""Columns that a message lists."""
_TYPED = re.compile(r"(.*):([A-Za-z])[A-Za-z]*")
_TYPES = {"i": "int", "n": "float", "f": "float", "d": "float", "b": "bool"}
"""The type that another name for a type means, by its first letter: `integer`, `number`, `decimal`, `boolean`."""


class Named(Protocol):
    """What has columns."""

    name: str

    @property
    def header_line(self) -> int | None:
        """The line of the column names; None where they are not in a file."""


def absent_columns(table: Named, places: Mapping[str, Path], columns: Sequence[str]) -> Mistake:
    """The mistake of a table that lacks columns; `places` are where the template names each of them first.

    It is one of the table where there is a file, with the template's place behind it.
    """
    message = f"has no column for {spelt(places)}"
    remedy = " ".join(filter(None, (columns_meant(places, columns), "its columns are " + listed(columns))))
    place = next(iter(places.values()))
    if table.header_line is None:
        return Mistake(f"{table.name} {message}", remedy, place)
    first = ", which is in" if len(places) == 1 else "; the first of them is in"
    return Mistake(f"{message}{first} {spell(place)}", remedy, line=table.header_line, file=table.name, also=place)


def listed(columns: Sequence[str]) -> str:
    """The names of columns for a message, the first thirty of them."""
    more = len(columns) - MOST_NAMED
    return ", ".join(columns[:MOST_NAMED]) + (f", and {more} more" if more > 0 else "")


def spelt(columns: Iterable[str]) -> str:
    """`${a}, ${b} and ${c}`."""
    *most, last = (f"${{{column}}}" for column in columns)
    return f"{', '.join(most)} and {last}" if most else last


def columns_meant(absent: Iterable[str], columns: Collection[str]) -> str | None:
    """The columns that were probably meant, or the types of cells; None where nothing is near."""
    types: list[str] = []
    names: dict[str, Meant] = {}
    for each in absent:
        if (typed := _type_meant(each, columns)) is not None:
            types.append(f"{typed};")
        elif (found := meant(each, columns)) is not None:
            names.setdefault(found.name, found)
    question = f"did you mean {', '.join(f'`{name}`' for name in names)}?" if names else ""
    held = [
        f"{'it' if len(names) == 1 else f'`{each.name}`'} holds {each.holds}" for each in names.values() if each.holds
    ]
    return " ".join(filter(None, (*types, question, f"({', '.join(held)})" if held else ""))) or None


def _type_meant(absent: str, columns: Collection[str]) -> str | None:
    """What to write for a type under another name, such as `${n:integer}`."""
    match = _TYPED.fullmatch(absent)
    column = nearest(match[1], columns) if match else None
    if match is None or column is None:
        return None
    return f"write `${{{column}:{_TYPES.get(match[2].lower(), 'int')}}}`, for the types are int, float and bool"
