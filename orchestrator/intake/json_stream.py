"""JSON as events, strictly as RFC 8259 has it: one value, nothing behind it, no NaN, no half characters.

The parser is fed piece by piece, so a document costs the memory of its largest item. Fed line by line it also tells,
for mistakes, in which line it is.
"""

import re
from collections.abc import Callable, Iterator
from decimal import InvalidOperation
from typing import Any

import ijson
from ijson import sendable_list
from ijson.backends import yajl2_c

from orchestrator.domain.mistake import Mistake
from orchestrator.intake.parsed import SCALAR, ParsedEvent, bad_number
from orchestrator.intake.text import SpoiltError, Text

_SCALARS = frozenset({"null", "boolean", "integer", "double", "number", "string"})
_HALF = re.compile(
    rb"(?<!\\)(?:\\\\)*(?:"
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"  # the first half of a pair, without its second
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F])"  # a second half without its first
)
_PAIR = 12  # characters of \ud83d\ude00
_KEPT = 64


class JsonEvents:
    """The events of one JSON document."""

    def __init__(self, text: Text, *, by_line: bool = False) -> None:
        """`by_line` tells the line of every event, and takes longer."""
        self._text = text
        self._pieces = _lines if by_line else _pieces
        self._by_line = by_line
        self._line = 1

    @property
    def line(self) -> int | None:
        return self._line if self._by_line else None

    def __iter__(self) -> Iterator[ParsedEvent]:
        told: Any = sendable_list()
        parser = yajl2_c.basic_parse_coro(told)
        halves = _Halves()
        for piece in self._pieces(self._text):
            halves.look(piece, self)
            self._feed(parser.send, piece)
            yield from _translated(told)
            del told[:]
            self._line += piece.count(b"\n")
        halves.look(b"", self)
        self._feed(lambda _piece: parser.close(), b"")
        yield from _translated(told)

    def _feed(self, send: Callable[[bytes], object], piece: bytes) -> None:
        try:
            send(piece)
        except StopIteration:
            return
        except ijson.JSONError as error:
            raise SpoiltError(_worded(str(error), self.line)) from error
        except UnicodeDecodeError as error:
            raise SpoiltError(_half(self.line)) from error
        except (ValueError, InvalidOperation, SystemError) as error:
            # Python converts no more than 4300 digits; met inside the parser that surfaces as a SystemError.
            raise bad_number(self.line) from error


def _pieces(text: Text) -> Iterator[bytes]:
    while piece := text.read():
        yield piece


def _lines(text: Text) -> Iterator[bytes]:
    for piece in _pieces(text):
        yield from piece.splitlines(keepends=True)


class _Halves:
    """Watches for escaped halves of a character, which the parser would replace in silence."""

    def __init__(self) -> None:
        self._kept = b""

    def look(self, piece: bytes, at: JsonEvents) -> None:
        joined = self._kept + piece
        # What stands at the very end may be whole once the next piece is here; what was judged before stays judged.
        judged = len(self._kept) - _PAIR
        safe = len(joined) - _PAIR if piece else len(joined)
        for match in _HALF.finditer(joined) if b"\\u" in joined else ():
            if judged < match.end() <= safe:
                raise SpoiltError(_half(at.line))
        self._kept = joined[-_KEPT:]


def _half(line: int | None) -> Mistake:
    return Mistake("half a character (a lone surrogate, `\\ud...`)", "write the character itself", line=line)


def _translated(told: list[tuple[str, Any]]) -> Iterator[ParsedEvent]:
    for event, value in told:
        yield (SCALAR if event in _SCALARS else event), value


def _worded(error: str, line: int | None) -> Mistake:
    reason = error.partition("\n")[0].removeprefix("parse error: ").removeprefix("lexical error: ")
    if "premature EOF" in reason:
        return Mistake("ends in the middle of the document: it was cut", "write it whole", line=line)
    if "trailing garbage" in reason:
        return Mistake("has something behind the end of the document", "one document a file", line=line)
    return Mistake(f"is not JSON: {reason}", "comments, NaN, single quotes and trailing commas are no JSON", line=line)
