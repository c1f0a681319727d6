"""Did you mean: the known name that a wrong one was probably meant for."""

import difflib
from collections.abc import Iterable

from orchestrator.domain.messages.printable import foreign_in


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that differs in case, by a folder in front, by spaces or `_`, or by a letter or two."""
    names = list(known)
    plain = {_plain(each): each for each in reversed(names)}
    if found := plain.get(_plain(name)) or plain.get(_plain(name.replace("\\", "/").rpartition("/")[2])):
        return found
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.75)
    return plain[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """`did you mean samples.csv?`, and which character makes the difference where that does not show."""
    found = nearest(name, known)
    if found is None:
        return None
    foreign = next(foreign_in(found), None) or next(foreign_in(name), None)
    return f"did you mean `{found}`?" + (f" it holds {foreign}" if foreign else "")


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isascii() and character.isalnum()) or name
