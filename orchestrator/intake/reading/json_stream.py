"""JSON as events, strictly as RFC 8259 has it: one value, nothing behind it, no NaN, no half characters.

The parser is fed piece by piece, so a document costs the memory of its largest item. Fed line by line it also reports,
for mistakes, the line. The items of a job need not pass through it: see `values`.
"""

import re
from collections.abc import Callable, Iterator
from decimal import InvalidOperation
from typing import Any

import ijson
from ijson import sendable_list
from ijson.backends import yajl2_c

from orchestrator.domain.messages.mistake import Mistake
from orchestrator.intake.reading.parse_events import SCALAR, START_ARRAY, ParsedEvent, bad_number
from orchestrator.intake.reading.plain_json import take_plain
from orchestrator.intake.reading.text import PIECE, MalformedTextError, Text

_SCALARS = frozenset({"null", "boolean", "integer", "double", "number", "string"})
_HALF = re.compile(
    rb"(?<!\\)(?:\\\\)*(?:"
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"  # the first half of a pair, without its second
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F])"  # a second half without its first
)
_PAIR = 12  # characters of \ud83d\ude00
_KEPT = 64
_ITEMS = re.compile(r'"items"[ \t\n\r]*:[ \t\n\r]*\[')
_MOST_AHEAD = 256 * 1024
"""Characters of a value that is waited for; a longer one is read event by event."""


class JsonEvents:
    """The events of one JSON document."""

    def __init__(self, text: Text, *, by_line: bool = False) -> None:
        """`by_line`: also report the line of every event, which takes longer."""
        self._text = text
        self._by_line = by_line
        self._line = 1
        self._parsed: Any = sendable_list()
        self._parser = yajl2_c.basic_parse_coro(self._parsed)
        self._ahead = ""
        """Read, and not given to the parser yet."""
        self._error: MalformedTextError | None = None
        """What lies behind `_ahead`."""
        self._opened = False
        """The parser has come to what may open a list of items, and `_ahead` follows it."""
        self._in_list = False
        """It did, and the last event was the start of that list."""

    @property
    def line(self) -> int | None:
        return self._line if self._by_line else None

    def __iter__(self) -> Iterator[ParsedEvent]:
        halves = _Halves()
        while piece := self._next_piece():
            for part in piece.splitlines(keepends=True) if self._by_line else (piece,):
                halves.observe(part, self)
                yield from self._events(self._parser.send, part)
                self._line += part.count(b"\n")
        halves.observe(b"", self)
        yield from self._events(lambda _piece: self._parser.close(), b"")

    def values(self, levels: int) -> Iterator[bytes]:
        """The values of the list that was just opened; see `Events.values`."""
        if not self._in_list:
            return
        start = end = 0  # of what comes next, and of the last value that was taken
        taken = False
        while True:
            if plain := take_plain(self._ahead, start, levels):
                yield plain.spelling
                taken, end = True, plain.end
                if plain.last:
                    break
                start = end + 1
            elif self._read_on(start):
                self._ahead, start, end = self._ahead[end:], start - end, 0
            else:
                break
        self._ahead = self._ahead[end:]
        if taken:  # one value takes the place of all of them: what comes next has to be a comma or the end, as before
            self._feed(self._parser.send, b"{}")
            del self._parsed[:]

    # ------------------------------------------------------------ reading

    def _next_piece(self) -> bytes:
        text = self._ahead or self._read()
        opening = None if self._by_line else _ITEMS.search(text, 0, PIECE)
        end = opening.end() if opening else PIECE
        self._ahead, self._opened = text[end:], opening is not None
        return text[:end].encode()

    def _read(self) -> str:
        if self._error is not None:
            raise self._error
        return self._text.read_text()

    def _read_on(self, start: int) -> bool:
        """Read more, if that may complete the value which begins at `start`."""
        begun = len(self._ahead) - start
        if begun > _MOST_AHEAD or self._error is not None or self._ahead[start:].lstrip(" \t\n\r")[:1] == "]":
            return False
        self._text.mark = self._text.position - begun
        try:
            more = self._text.read_text()
        except MalformedTextError as error:
            self._error = error  # not before what stands in front of it was read
            return False
        self._ahead += more
        return bool(more)

    def _events(self, send: Callable[[bytes], object], piece: bytes) -> Iterator[ParsedEvent]:
        """The events of a piece, as far as it can be parsed; then raises what is wrong with it."""
        wrong = self._feed(send, piece)
        if self._parsed:
            *complete, last = _translated(self._parsed)
            del self._parsed[:]
            yield from complete
            self._in_list = self._opened and last[0] == START_ARRAY
            yield last
            self._in_list = False
        if wrong is not None:
            raise wrong

    def _feed(self, send: Callable[[bytes], object], piece: bytes) -> MalformedTextError | None:
        try:
            send(piece)
        except StopIteration:
            return None
        except ijson.JSONError as error:
            return MalformedTextError(_worded(str(error), self.line))
        except UnicodeDecodeError:
            return MalformedTextError(_half(self.line))
        except (ValueError, InvalidOperation, SystemError):
            # Python converts no more than 4300 digits; met inside the parser that surfaces as a SystemError, and leaves
            # an event behind whose value is no object at all: to touch it would end the process.
            del self._parsed[:]
            return bad_number(self.line)
        return None


class _Halves:
    """Watches for escaped halves of a character, which the parser would replace in silence."""

    def __init__(self) -> None:
        self._kept = b""

    def observe(self, piece: bytes, at: JsonEvents) -> None:
        joined = self._kept + piece
        # What stands at the very end may be whole once the next piece is here; what was judged before stays judged.
        judged = len(self._kept) - _PAIR
        safe = len(joined) - _PAIR if piece else len(joined)
        for match in _HALF.finditer(joined) if b"\\u" in joined else ():
            if judged < match.end() <= safe:
                raise MalformedTextError(_half(at.line))
        self._kept = joined[-_KEPT:]


def _half(line: int | None) -> Mistake:
    return Mistake("half a character (a lone surrogate, `\\ud...`)", "write the character itself", line=line)


def _translated(events: list[tuple[str, Any]]) -> Iterator[ParsedEvent]:
    for event, value in events:
        yield (SCALAR if event in _SCALARS else event), value


def _worded(error: str, line: int | None) -> Mistake:
    reason = error.partition("\n")[0].removeprefix("parse error: ").removeprefix("lexical error: ")
    if "premature EOF" in reason:
        return Mistake("ends in the middle of the document: it was cut", "write it whole", line=line)
    if "trailing garbage" in reason:
        return Mistake("has something behind the end of the document", "one document a file", line=line)
    return Mistake(f"is not JSON: {reason}", "comments, NaN, single quotes and trailing commas are no JSON", line=line)
