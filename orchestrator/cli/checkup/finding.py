"""The result of one check of `doctor`."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How severe a finding is."""

    OK = "ok"
    WARNING = "warning"
    """Should be examined; the daemon works."""
    WRONG = "wrong"
    """Prevents the daemon from doing its work, or part of it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its subject, what was found, and what to do about it."""

    result: Result
    check: str
    subject: str
    found: str
    remedy: str | None = None
    """None if nothing has to be done, or if `found` says it."""
    refused: bool = False
    """Whether a platform refuses a credential."""


def ok(check: str, subject: object, found: str) -> Finding:
    """A finding without a problem."""
    return Finding(Result.OK, check, str(subject), found)


def warning(check: str, subject: object, found: str, remedy: str | None = None) -> Finding:
    """A finding that an operator should know."""
    return Finding(Result.WARNING, check, str(subject), found, remedy)


def wrong(check: str, subject: object, found: str, remedy: str | None = None) -> Finding:
    """A finding that has to be fixed."""
    return Finding(Result.WRONG, check, str(subject), found, remedy)
