"""Prints tables on a terminal or into a pipe. Cells are never truncated, so that names and ids can be copied."""

import sys
from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.text import Text

from orchestrator.cli.invocation import output

_GAP = "  "


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, spare: Sequence[str] = (), loose: str | None = None
) -> None:
    """Print a table; on a narrow terminal, omit the columns in `spare`, in that order, until it fits.

    A table that is still too wide is wrapped by the terminal. The `loose` column may always be wrapped.
    """
    console = output()
    width = console.width if sys.stdout.isatty() else None
    left_out, lines = lay_out(header, rows, width=width, spare=spare, loose=loose)
    for number, line in enumerate(lines):
        console.print(Text(line, style="" if number else "bold"))
    if left_out:
        omitted = ", ".join(name for name in header if name in left_out)
        console.print(Text(f"columns omitted, the terminal is too narrow: {omitted}", style="dim"))


def lay_out(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None,
    spare: Sequence[str],
    loose: str | None = None,
) -> tuple[Collection[str], list[str]]:
    """The omitted columns, and the lines with the header first. `width` is the terminal's, None if there is none."""
    wide = [max(map(cell_len, column)) for column in zip(header, *rows, strict=True)]
    left_out: set[str] = set()
    for name in spare:
        shown = {column: size for column, size in zip(header, wide, strict=True) if column not in left_out}
        if loose is not None:
            shown[loose] = len(loose)
        if width is None or sum(shown.values()) + len(_GAP) * (len(shown) - 1) <= width:
            break
        left_out.add(name)
    places = [place for place, name in enumerate(header) if name not in left_out]
    lines = []
    for row in (header, *rows):
        cells = [row[place] + " " * (wide[place] - cell_len(row[place])) for place in places]
        lines.append(_GAP.join(cells).rstrip())
    return left_out, lines
