"""Did you mean: the known name that a wrong one was probably meant for."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.messages.printable import foreign_in

_SHORTEST = 4
"""Characters that a name has at least when it is taken for a part of another one."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that differs in case, by a folder in front, by spaces or `_`, or by a letter or two.

    Else the only one that begins or ends with it: `analysis` for `analysis_creation`.
    """
    names = list(known)
    plain = {_plain(each): each for each in reversed(names)}
    if found := plain.get(_plain(name)) or plain.get(_plain(name.replace("\\", "/").rpartition("/")[2])):
        return found
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.75)
    if close:
        return plain[close[0]]
    short = _plain(name)
    around = [each for each in plain if each.startswith(short) or each.endswith(short)]
    return plain[around[0]] if len(short) >= _SHORTEST and len(around) == 1 else None


@dataclass(frozen=True, slots=True)
class Meant:
    """A known name that was probably meant."""

    name: str
    holds: str | None = None
    """The character that makes the difference, where that does not show."""


def meant(name: str, known: Iterable[str]) -> Meant | None:
    """The known name that is nearest to a wrong one; None where none is near."""
    found = nearest(name, known)
    if found is None:
        return None
    foreign = next(foreign_in(found), None) or next(foreign_in(name), None)
    return Meant(found, foreign)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """`did you mean samples.csv?`, and which character makes the difference where that does not show."""
    found = meant(name, known)
    if found is None:
        return None
    return f"did you mean `{found.name}`?" + (f" (it holds {found.holds})" if found.holds else "")


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isascii() and character.isalnum()) or name
