"""Translates pydantic's errors into messages that users understand."""

import difflib
import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.messages.printable import ascii_only, foreign_in, invisible_in, printable
from orchestrator.domain.queue_file.cells import no_id, no_value
from orchestrator.domain.queue_file.checked_texts import MISFIT
from orchestrator.domain.queue_file.nearest import did_you_mean, nearest

TAG = "@"
"""Tags of our unions begin with it: pydantic puts them into the path, although no user wrote them."""

_OF_KEY = "[key]"
"""So pydantic says that a finding is on the key of an object itself."""
MOST_NAMED = 5
"""Characters that one message names."""

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object (keys and values)",
    "model_type": "an object (keys and values)",
    "model_attributes_type": "an object (keys and values)",
}

_PLAIN = {"a whole number": re.compile("-?(?:0|[1-9][0-9]*)"), "true or false": re.compile("true|false")}
"""What a text looks like that is a value of these types in quotes."""


def mistakes_of(
    error: ValidationError,
    *,
    known: Callable[[Path], Sequence[str]],
    patterns: Mapping[str, str],
    ids: Collection[str] = (),
) -> Iterator[Mistake]:
    """Each finding as a mistake, with its path below what was validated.

    `known` returns the keys that may stand beside an unknown one, `patterns` describes what a pattern requires,
    `ids` are the patterns of ids: there, a message says what the text is instead.
    """
    found = error.errors(include_url=False, include_context=True, include_input=True)
    misspelt = {
        (*below[:-1], nearest(str(below[-1]), names := known(below[:-1])) or (names[0] if len(names) == 1 else ""))
        for finding in found
        if finding["type"] == "extra_forbidden" and (below := _written(finding["loc"]))
    }
    for finding in found:
        below = _written(finding["loc"])
        beside = known(below if finding["type"].startswith("union_tag") else below[:-1])
        if finding["type"] in {"string_pattern_mismatch", MISFIT}:
            pattern = finding["ctx"]["pattern"]
            described = patterns.get(pattern, f"does not match {pattern}")
            message, remedy = mismatch(finding["input"], described, is_id=pattern in ids)
            if pattern in ids and (near := _near(finding["input"], pattern)) is not None:
                remedy = f"did you mean `{near}`?"
        elif finding["type"] == "missing" and below in misspelt:
            continue
        else:
            message, remedy = _worded(finding, beside)
        wanted = _TYPES.get(finding["type"]) if isinstance(finding["input"], str | int | float) else None
        yield Mistake(message, remedy, below, wanted=wanted)


def _near(text: str, pattern: str) -> str | None:
    """The id that a text has in another spelling, or with something around it; None where there is none, or several."""
    if any(True for _ in foreign_in(text)):
        return None
    plain = re.sub(r"[ _]", ".", text.strip("'\"").lower(), count=1)
    if plain != text and re.fullmatch(pattern, plain) and re.search("[0-9]", plain):
        return plain
    within = {word for word in re.split(r"[^A-Za-z0-9._-]+", text) if re.fullmatch(pattern, word)}
    return within.pop() if len(within) == 1 and len(text.split()) == 1 else None


def mismatch(text: str, described: str, *, is_id: bool) -> tuple[str, str | None]:
    """Why a text does not match a pattern, and the remedy: unexpected characters first, then what stands for an id."""
    if foreign := list(itertools.islice(foreign_in(text), MOST_NAMED)):
        remedy = "type it again with plain letters"
        if invisible_in(text):
            remedy = "delete what does not show, or type it again"
        return f"{_shown(text)} holds {', '.join(foreign)}" + ("" if is_id else f"; it {described}"), remedy
    found = (no_id if is_id else no_value)(text)
    if found is None:
        return f"{_shown(text)} {described}", None
    return f"{_shown(text)} {found.what}; it {described}", found.remedy


def _written(location: Sequence[str | int]) -> Path:
    return tuple(part for part in location if not (isinstance(part, str) and (part.startswith(TAG) or part == _OF_KEY)))


def _worded(finding: ErrorDetails, known: Sequence[str]) -> tuple[str, str | None]:  # noqa: PLR0911 - a table
    context: dict[str, Any] = finding.get("ctx", {})
    given = finding["input"]
    name = str(finding["loc"][-1]) if finding["loc"] else "it"
    match finding["type"]:
        case "missing":
            value = " 1" if finding["loc"] == ("version",) else ""
            return missing_key(name, given if isinstance(given, dict) else {}, value)
        case "extra_forbidden":
            return f"`{name}` is not a key that belongs here", _meant(name, known)
        case kind if kind in _TYPES:
            wanted = _TYPES[kind]
            return f"must be {wanted}, and is {_called(given)}", _respelt(given, wanted)
        case "literal_error" | "enum":
            return _not_among(name, given, context["expected"])
        case "greater_than_equal":
            return f"must be {context['ge']} or more, and is {given}", None
        case "less_than_equal":
            return f"must be {context['le']} or less, and is {given}", None
        case "string_too_short" | "too_short":
            return "is empty", None
        case "string_too_long":
            return f"has {len(given)} characters, and may have {context['max_length']}", None
        case "union_tag_not_found" | "union_tag_invalid":
            named = next((meant for key in given if (meant := did_you_mean(str(key), known))), None) if given else None
            return f"is {_called(given)} without any of the keys that give it a meaning", named or _meant("", known)
        case _:
            return finding["msg"], None


def missing_key(name: str, given: Mapping[str, Any], value: str = "") -> tuple[str, str]:
    """The message and the remedy for a missing key; a key beside it may be the same in another spelling.

    `value` is what to write behind its colon, where only that can stand there.
    """
    others = [key for key in map(str, given) if key != name]  # it may be there without a value
    close = difflib.get_close_matches(name, others, n=1, cutoff=0.8)
    remedy = f"write `{name}:` in place of `{close[0]}:`" if close else f"add `{name}:{value}`"
    return f"`{name}` is missing", remedy


def _not_among(name: str, given: object, expected: str) -> tuple[str, str | None]:
    """`expected` is pydantic's list of what may stand there, as Python spells it."""
    one = re.fullmatch(r"'([^']*)'|[^', ]+", expected)
    if one is None:
        shown = _shown(given) if isinstance(given, str) else _called(given)
        return f"{shown} is not one of {expected}", did_you_mean(str(given), re.findall("'([^']*)'", expected))
    plain = one[1] or {"True": "true", "False": "false"}.get(expected, expected)
    return f"must be {plain}, and is {_called(given)}", f"write `{name}: {plain}`"


def _meant(name: str, known: Sequence[str]) -> str:
    if name in known:
        return "leave it out: it belongs to an item of another form"
    if meant := did_you_mean(name, known):
        return meant
    if not known:
        return "leave it out"
    foreign = next(foreign_in(name), None)
    return "known are " + ", ".join(f"`{key}`" for key in known) + (f"; it holds {foreign}" if foreign else "")


def _called(value: object) -> str:
    match value:
        case None:
            return "empty (null)"
        case bool():
            return f"the literal {str(value).lower()}"
        case str():
            return f"the text {_shown(value)}"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"the number {value}"


def _respelt(value: object, wanted: str) -> str | None:
    """How to write a value that has no more than the wrong spelling for its type."""
    if isinstance(value, list | dict | None):
        return None
    if wanted == "text" and "E" in str(value):  # a number: its own spelling is not known any more
        return "write it in quotes, with the characters that it has in the file"
    if wanted == "text":
        return f'write it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
    plain = _PLAIN.get(wanted)
    return f"write it without quotes: {value}" if isinstance(value, str) and plain and plain.fullmatch(value) else None


def _shown(value: object) -> str:
    """In quotes, cut to what fits a line; characters that do not show, or of another alphabet, as escapes."""
    text = str(value)
    quoted = repr(text if len(text) <= 80 else text[:77] + "...")  # noqa: PLR2004 - as much as fits a line
    return printable(quoted) if all(map(_is_latin, quoted)) else ascii_only(quoted)


def _is_latin(character: str) -> bool:
    return character.isascii() or unicodedata.name(character, "").startswith("LATIN ")
