"""Why an account is closed: what has to change before it can be used."""

from enum import StrEnum

from orchestrator.domain.errors import SharedUser, Unauthorised, WrongAddress


class Cause(StrEnum):
    """The kinds of reason."""

    CREDENTIAL = "credential"
    """The platform refuses it; a key file that is replaced is read again."""
    ADDRESS = "address"
    """What answers is not the platform."""
    USER = "user"
    """Another account acts as the same user."""


def cause_of(refusal: Unauthorised) -> Cause:
    """The kind of this one."""
    match refusal:
        case WrongAddress():
            return Cause.ADDRESS
        case SharedUser():
            return Cause.USER
        case _:
            return Cause.CREDENTIAL
