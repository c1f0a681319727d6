"""`group_by`: rows of a table with equal cells in one column, gathered into one.

Rows wait on a scratch file; memory holds a digest of each group and the places of its rows.
"""

from collections.abc import Generator, Iterable
from hashlib import blake2b
from itertools import pairwise
from typing import IO, NamedTuple

import msgspec

from orchestrator.domain.queue_file.placeholder import MOST_ROWS, Row
from orchestrator.intake.reading.separated_values import NumberedRow


class Group(NamedTuple):
    """The rows of one item."""

    line: int
    """Of the first of them."""
    row: Row
    """A text where all of them have the same, else the texts of all rows, in order."""


def gathered(
    rows: Iterable[NumberedRow | None], column: str, scratch: IO[bytes]
) -> Generator[Group | None, None, None]:
    """The groups, in the order of their first rows. A row whose cell is empty is a group of its own.

    Before them None for each row, so that the caller may pause. Of a group of too many rows only the first ones are
    read: each of its columns is then a list of more than `MOST_ROWS` texts, which no placeholder takes.
    """
    places: dict[bytes, list[int]] = {}
    starts: list[int] = []
    for found in rows:
        yield None
        if found is None:
            continue
        number, (line, row) = len(starts), found
        name = row[column].encode() if row[column] else f"\0{number}".encode()
        places.setdefault(blake2b(name, digest_size=16).digest(), []).append(number)
        starts.append(scratch.tell())
        scratch.write(msgspec.json.encode((line, row)))
    starts.append(scratch.tell())
    sizes = [end - start for start, end in pairwise(starts)]
    decode = msgspec.json.Decoder(tuple[int, dict[str, str]]).decode
    for numbers in places.values():
        gathered_rows: list[tuple[int, dict[str, str]]] = []
        for number in numbers[: MOST_ROWS + 1]:
            scratch.seek(starts[number])
            gathered_rows.append(decode(scratch.read(sizes[number])))
        yield Group(gathered_rows[0][0], _merged([row for _, row in gathered_rows]))


def joined(row: Row) -> dict[str, str]:
    """The row of a group as texts, for the result table: several values stand side by side with `;` between."""
    return {column: cell if isinstance(cell, str) else ";".join(cell) for column, cell in row.items()}


def _merged(rows: list[dict[str, str]]) -> Row:
    first, *others = rows
    if not others:
        return first
    too_many = len(rows) > MOST_ROWS
    return {
        column: cell if not too_many and all(row[column] == cell for row in others) else [row[column] for row in rows]
        for column, cell in first.items()
    }
