"""What is probably wrong where YAML cannot be read: the likeliest slips, seen in the lines around the place."""

import re
from typing import NamedTuple

from orchestrator.domain.messages.printable import invisible_in, name_of

_CURLY = re.compile("[\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb]")
_NO_SPACE = re.compile(r"\s*(?:- +)?([A-Za-z_][A-Za-z0-9_]*:)([^\s/].*)")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'")

_INDENTED = "is the line indented like its neighbours?"
_CLOSED = "is a quote or bracket never closed, or was the file cut?"
_LIST = "separate its values by commas, and close it by ]"
_OBJECT = "separate its keys by commas, and close it by }"
_COLON = "put a text that holds `: ` in quotes, an object on one line in { }, and indent keys like their neighbours"
_WORDS = {
    "found character that cannot start any token": (
        "a text begins with a character that has a meaning of its own",
        "quote a text that begins with @, % or `",
    ),
    "mapping values are not allowed in this context": ("a `:` stands where no key can be", _COLON),
    "did not find expected key": ("the line does not continue what is above it", _INDENTED),
    "did not find expected '-' indicator": ("the line does not continue the list above it", _INDENTED),
    "could not find expected ':'": ("a key has no `:`", _INDENTED),
    "found unexpected end of stream": ("the file ends too early", _CLOSED),
    "did not find expected ',' or ']'": ("a list in [ ] is not continued", _LIST),
    "did not find expected ',' or '}'": ("an object in { } is not continued", _OBJECT),
}
"""The parser's problems, each with words for it and a remedy."""
_UNKNOWN = "it cannot be read from here on", "check the quotes, brackets and indents of this line and the one above"


_MAY_LACK_A_SPACE = frozenset({"could not find expected ':'", "mapping values are not allowed in this context"})


class Slip(NamedTuple):
    """What is wrong, and where."""

    what: str
    remedy: str | None
    line: int
    column: int | None = None


def slip(problem: str, line: int, column: int, here: str, before: str) -> Slip:
    """What is wrong, from the parser's message, its position (from 1), and that line with the one before."""
    if (found := _of_characters(line, here, before)) is not None:
        return found
    if _continues_after_a_quote(problem, here, column):
        return Slip("a text continues after its closing quote", 'put all of it in quotes: "..."', line, column)
    if "${" in _QUOTED.sub("", here) and problem.startswith("did not find expected ',' or"):
        return Slip("a placeholder inside [ ] or { } has no quotes", 'write "${column}", in double quotes', line)
    if problem in _MAY_LACK_A_SPACE and (match := _NO_SPACE.fullmatch(before.rstrip("\r\n"))):
        return Slip(f"`{match[1]}` has no space behind it", f"write `{match[1]} {match[2]}`", line - 1)
    what, remedy = _WORDS.get(problem, _UNKNOWN)
    return Slip(what, remedy, line, column)


def _of_characters(line: int, here: str, before: str) -> Slip | None:
    """A character that has no place in YAML, or does not show."""
    if here[: len(here) - len(here.lstrip())].count("\t"):
        return Slip("a tab indents the line", "indent with spaces", line)
    for number, text in ((line, here), (line - 1, before)):
        if (hidden := invisible_in(text.strip(" \t\r\n"))) is not None:
            return Slip(f"{name_of(hidden)} does not show", "write a space in its place, or delete it", number)
        if curly := _CURLY.search(text):
            return Slip(f"{name_of(curly[0])} is no quote in YAML", 'write plain quotes: "..."', number)
    return None


def _continues_after_a_quote(problem: str, line: str, column: int) -> bool:
    """Whether a text continues after its closing quote; in [ ] with a space between, a comma may be missing."""
    before = line[: column - 1] if problem.startswith("did not find expected ',' or") else line[: column - 1].rstrip()
    behind = line[column - 1 : column]
    return any(match.end() == len(before) for match in _QUOTED.finditer(before)) and behind not in ("", "'", '"')
