"""Bytes that are text: UTF-8 without control characters, read in pieces, with the position of what is not."""

import codecs
import re
from collections.abc import Iterator
from typing import NoReturn, Protocol

from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.messages.mistake import Mistake

PIECE = 64 * 1024
LONGEST_LINE = 1024 * 1024
LONGEST_VALUE = 16 * 1024 * 1024
"""Bytes of one item, or of one value of a job: what has to fit into memory at a time."""

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""No text holds one of these, however it is written."""
_YAML_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
"""YAML 1.1 also breaks lines at U+2028 and U+2029, which are invisible."""
_BOM = codecs.BOM_UTF8
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAVE = "save the file as UTF-8"


NO_NEWLINE = (
    "does not end in a newline: it may have been cut",
    "if the last line is whole, press Enter behind it in a text editor, and save (Google Sheets leaves it out)",
)
"""Message and remedy for a text whose last line has no end."""


class MalformedTextError(OrchestratorError):
    """A text that cannot be read on from here; carries the mistake."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


class Bytes(Protocol):
    """What text is read from: an open file, or what translates one."""

    def seek(self, offset: int, /) -> int: ...

    def read(self, size: int, /) -> bytes: ...


class Text:
    """A file as checked UTF-8: `read` and `read_text` hand it on piece by piece, `lines` line by line.

    Only one of the three may be used: a piece of bytes may end inside a character, a piece of text does not.
    """

    def __init__(self, file: Bytes, *, name: str | None = None, yaml: bool = False) -> None:
        file.seek(0)
        self._file = file
        self._name = name
        self._control = _YAML_CONTROL if yaml else CONTROL
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._line = 1
        self._column = 0
        self._last = ""
        self._at_start = True
        self.position = 0
        """Bytes read so far."""
        self.mark = 0
        """Where the value began that is being read; it may not grow beyond `LONGEST_VALUE`."""
        self.error: MalformedTextError | None = None
        """What `read` raised, for parsers that wrap what their reader raises."""

    def read(self, size: int = PIECE) -> bytes:
        """Up to `size` bytes, at most `PIECE`; nothing at the end. Raises SpoiltError."""
        piece, _ = self._next(min(size, PIECE) if size > 0 else PIECE)
        return piece

    def read_text(self) -> str:
        """The next piece, of about `PIECE` bytes; nothing at the end. Raises SpoiltError."""
        while True:
            piece, text = self._next(PIECE)
            if text or not piece:
                return text

    def lines(self) -> Iterator[str]:
        """Each line with its end. Raises SpoiltError, also for a line without end."""
        rest = ""
        number = 1
        while True:
            self.mark = self.position  # a line has its own limit
            piece, text = self._next(PIECE)
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                yield line + "\n"
            number += len(lines)
            if len(rest) > LONGEST_LINE:
                message = f"the line is longer than {LONGEST_LINE} characters"
                raise MalformedTextError(Mistake(message, "is a quote never closed?", line=number, file=self._name))
            if not piece:
                break
        if rest:
            yield rest

    def line_at(self, number: int) -> str:
        """The text of one line, for a message; nothing more can be read of this text behind it."""
        self._file.seek(0)
        current, rest = 1, b""
        while current <= number and (piece := self._file.read(PIECE)):
            *lines, rest = (rest + piece).split(b"\n")
            if number < current + len(lines):
                return lines[number - current].decode("utf-8", "replace").removeprefix("\ufeff")
            current += len(lines)
            rest = rest[:LONGEST_LINE]
        return rest.decode("utf-8", "replace") if current == number else ""

    @property
    def ends_in_newline(self) -> bool:
        """Whether the last character read so far ends a line."""
        return self._last == "\n"

    @property
    def line(self) -> int:
        """The line that reading has come to."""
        return self._line

    def _next(self, size: int) -> tuple[bytes, str]:
        if self.position - self.mark > LONGEST_VALUE:
            self._fail(f"one value is larger than {LONGEST_VALUE // 1024 // 1024} MiB", "many items belong in `items`")
        piece = self._file.read(size)
        self.position += len(piece)
        if self._at_start:
            piece = self._without_mark(piece)
        try:
            text = self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            self._advance(error.object[: error.start].decode("utf-8", "replace"))
            byte = error.object[error.start]
            remedy = _SAVE if self._name is None else f'{_SAVE}; Excel calls it "CSV UTF-8", its plain "CSV" is not'
            self._fail(f"byte 0x{byte:02X} at column {self._column + 1} is not UTF-8", remedy)
        if match := self._control.search(text):
            self._advance(text[: match.start()])
            character = ord(match[0])
            what = "NUL" if character == 0 else f"the control character U+{character:04X}"
            self._fail(f"{what} at column {self._column + 1}", "remove it" if character else _SAVE + ", or remove it")
        self._advance(text)
        return piece, text

    def _without_mark(self, piece: bytes) -> bytes:
        self._at_start = False
        if piece.startswith(_WIDE):
            self._fail("is UTF-16", _SAVE)
        while piece.startswith(_BOM):  # some exports write it twice
            piece = piece.removeprefix(_BOM)
        return piece

    def _advance(self, text: str) -> None:
        if not text:
            return
        self._last = text[-1]
        breaks = text.count("\n")
        self._line += breaks
        self._column = len(text) - text.rfind("\n") - 1 if breaks else self._column + len(text)

    def _fail(self, message: str, remedy: str) -> NoReturn:
        self.error = MalformedTextError(Mistake(message, remedy, line=self._line, file=self._name))
        raise self.error
