"""Notes: what may be wrong in a queue file or its table, although it is accepted."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.domain.messages.printable import printable

MOST_NOTES = 100
"""Different notes of one file; further ones are counted."""
_LINES = 10


@dataclass(slots=True)
class _Noted:
    example: str
    lines: list[int] = field(default_factory=list)
    count: int = 0


@dataclass(slots=True)
class Notes:
    """The notes of one file. The same note on many lines of a table is one note that lists the first of them."""

    _found: dict[tuple[str, str, str], _Noted] = field(default_factory=dict)
    more: int = 0
    """Notes beyond the first hundred."""

    def add(self, message: str, *, place: str = "", line: int = 0, column: str = "", example: str = "") -> None:
        """Note something; `example` is the value that was seen first."""
        found = self._found.get((place, column, message))
        if found is None:
            if len(self._found) >= MOST_NOTES:
                self.more += 1
                return
            found = self._found[place, column, message] = _Noted(example)
        found.count += 1
        if line and len(found.lines) < _LINES:
            found.lines.append(line)

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[str]:
        """Each as one line of text that is safe to print."""
        for (place, column, message), found in self._found.items():
            parts = (place, _lines(found), f"column {column}" if column else "")
            where = ", ".join(part for part in parts if part)
            example = f"'{found.example}' " if found.example else ""
            yield printable(f"{where}: {example}{message}" if where else f"{example}{message}")
        if self.more:
            yield f"and {self.more} more notes"


def _lines(found: _Noted) -> str:
    if not found.lines:
        return ""
    listed = ", ".join(map(str, found.lines))
    more = found.count - len(found.lines)
    return f"line{'s' if found.count > 1 else ''} {listed}" + (f" and {more} more" if more else "")
