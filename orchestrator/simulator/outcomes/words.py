"""The words in a name, by which tests choose what becomes of an item; see each platform's own list."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

Chosen = TypeVar("Chosen")

_SEPARATORS: Final = re.compile(r"[-_./: ]+")
_DIGITS: Final = "0123456789"


def words_of(*names: str) -> Sequence[str]:
    """The words of the names, the first name first: in lower case, without digits at their end."""
    return [word.rstrip(_DIGITS) for name in names for word in _SEPARATORS.split(name.lower())]


def first_known(words: Sequence[str], known: Mapping[str, Chosen], default: Chosen) -> Chosen:
    """What the first word that is `known` stands for."""
    return next((known[word] for word in words if word in known), default)
