r"""Text that is safe to print, and the names of characters that cannot be seen or that look like others.

A character that prints as nothing, steers a terminal or reverses the order of what follows is never printed raw: it
is written as an escape (`\u200b`), as in JSON and Python. Letters of other alphabets are printed as they are, except
where a text may hold nothing but ASCII; there `ascii_only` escapes them too.
"""

import re
import unicodedata
from collections.abc import Iterator

_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""Control and format characters, every space but U+0020, fillers, variation selectors, tags and lone surrogates."""
_FOREIGN = re.compile(r"[^ -~]")
"""What is not printable ASCII."""

_CONTROLS = {"\t": "TAB", "\n": "LINE FEED", "\r": "CARRIAGE RETURN", "\x00": "NULL", "\x1b": "ESCAPE"}
"""Control characters have no name in Unicode's own table."""
_CONTEXT = 20
"""Characters in front of a character that say where it stands."""


def printable(text: str, *, keep: str = "") -> str:
    """`text` with escapes for characters that do not show, line breaks included; those in `keep` stay."""
    if text.isprintable() and (text.isascii() or not _INVISIBLE.search(text)):
        return text
    return "".join(each if each in keep or _shows(each) else _escaped(each) for each in text)


def ascii_only(text: str) -> str:
    """`text` with everything but printable ASCII written as escapes, so that look-alikes can be distinguished."""
    return _FOREIGN.sub(lambda match: _escaped(match[0]), text)


def printable_json(document: bytes) -> bytes:
    r"""The same JSON document, with characters that do not show spelled `\uXXXX`; its meaning is unchanged."""
    if document.isascii() and b"\x7f" not in document:
        return document
    return re.sub(_HIDDEN_IN_JSON, _json_escape, document.decode()).encode()


def invisible_in(text: str) -> str | None:
    """The first character of `text` that does not show; None where all do."""
    match = _INVISIBLE.search(text)
    return match[0] if match else None


def name_of(character: str) -> str:
    """`U+200B ZERO WIDTH SPACE`."""
    name = unicodedata.name(character, "") or _CONTROLS.get(character, "CONTROL CHARACTER")
    return f"U+{ord(character):04X} {name}"


def foreign_in(text: str) -> Iterator[str]:
    """Each different character of `text` that is not printable ASCII, by name and place.

    `U+200B ZERO WIDTH SPACE behind fil.03c`, or `in front of fil.04d` for the first character.
    """
    seen: set[str] = set()
    for match in _FOREIGN.finditer(text):
        if match[0] in seen:
            continue
        seen.add(match[0])
        yield f"{name_of(match[0])} {_beside(text, match.start())}"


def _beside(text: str, at: int) -> str:
    before = _FOREIGN.sub("", text[max(0, at - _CONTEXT) : at]).strip()
    if before:
        return f"behind {before}"
    after = _FOREIGN.sub("", text[at + 1 : at + 1 + _CONTEXT]).strip()
    return f"in front of {after}" if after else "alone"


def _shows(character: str) -> bool:
    return character.isprintable() and not _INVISIBLE.match(character)


def _escaped(character: str) -> str:
    short = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}.get(character)
    code = ord(character)
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")  # noqa: PLR2004 - the widths of escapes


_HIDDEN_IN_JSON = re.compile("(?![\x00-\x7e])" + _INVISIBLE.pattern)
"""JSON escapes control characters itself, and its line breaks lie between the values."""


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2]):04x}" for at in range(0, len(units), 2))
