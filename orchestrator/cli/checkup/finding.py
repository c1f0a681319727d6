"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Worth knowing; nothing stops for it now."""
    WRONG = "wrong"
    """The daemon cannot do its work, or part of it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, what was found, and what to do about it."""

    result: Result
    check: str
    subject: str
    found: str
    remedy: str | None = None
    """None where nothing is to be done, or where `found` tells it."""
    refused: bool = False
    """Whether it is that a platform does not accept a credential."""


def ok(check: str, subject: object, found: str) -> Finding:
    """All is well."""
    return Finding(Result.OK, check, str(subject), found)


def warning(check: str, subject: object, found: str, remedy: str | None = None) -> Finding:
    """Something that somebody should know."""
    return Finding(Result.WARNING, check, str(subject), found, remedy)


def wrong(check: str, subject: object, found: str, remedy: str | None = None) -> Finding:
    """Something that has to be mended."""
    return Finding(Result.WRONG, check, str(subject), found, remedy)
