"""Names of the users of this machine."""

import pwd


def user_name(number: str | int) -> str | None:
    """The name of a user by the numeric id; None where this system does not know it, or it is no id."""
    try:
        return pwd.getpwuid(int(number)).pw_name
    except (KeyError, ValueError, OverflowError):
        return None
