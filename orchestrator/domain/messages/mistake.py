"""Mistakes in a queue file, as values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.domain.messages.printable import printable

Path = tuple[str | int, ...]
"""Where in a document: `("jobs", 0, "items", 3, "userReference")`; empty for the document as a whole."""

KEPT = 1000
"""Maximum mistakes that are listed; further ones are only counted."""


def spell(path: Path) -> str:
    """`jobs[0].items[3].userReference`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake, which must be corrected before the file can be accepted."""

    message: str
    remedy: str | None = None
    path: Path = ()
    line: int | None = None
    file: str | None = None
    """The table with the mistake; None for the queue file itself."""
    also: Path = ()
    """Another place that the message speaks of."""
    column: str | None = None
    """The table's column that it comes from."""
    wanted: str | None = None
    """What must stand there in place of a text, a number or a literal, such as `a list`; None for another mistake."""

    @property
    def where(self) -> str:
        """Table, line, column and path, as far as they are known; safe to print."""
        line = f"line {self.line}" if self.line is not None else None
        column = f"column {self.column}" if self.column is not None and self.column != spell(self.path) else None
        parts = (self.file, line, column, spell(self.path))
        return printable(", ".join(part for part in parts if part)) or "the file"

    @property
    def field(self) -> str | None:
        """The innermost key."""
        return next((part for part in reversed(self.path) if isinstance(part, str)), None)

    def __str__(self) -> str:
        return f"{self.where}: {printable(self.message)}" + (f" - {printable(self.remedy)}" if self.remedy else "")


@dataclass(slots=True)
class Mistakes:
    """Collects every mistake of a file; keeps the first thousand and counts the others."""

    kept: list[Mistake] = field(default_factory=list)
    more: int = 0

    def add(
        self,
        message: str,
        remedy: str | None = None,
        *,
        path: Path = (),
        line: int | None = None,
        file: str | None = None,
    ) -> None:
        self.append(Mistake(message, remedy, path, line, file))

    def append(self, mistake: Mistake) -> None:
        if len(self.kept) < KEPT:
            self.kept.append(mistake)
        else:
            self.more += 1

    def extend(self, others: "Mistakes") -> None:
        """Add mistakes that were collected separately."""
        for mistake in others:
            self.append(mistake)
        self.more += others.more

    @property
    def total(self) -> int:
        return len(self.kept) + self.more

    def locate(self, lines: Mapping[Path, int]) -> None:
        """Fill in the line numbers of the document."""
        for index, mistake in enumerate(self.kept):
            line = mistake.line if mistake.file is not None else mistake.line or lines.get(mistake.path)
            other = lines.get(mistake.also)
            message = f"{mistake.message} (line {other})" if mistake.also and other else mistake.message
            self.kept[index] = replace(mistake, line=line, message=message)

    def __bool__(self) -> bool:
        return bool(self.kept)

    def __iter__(self) -> Iterator[Mistake]:
        return iter(self.kept)
