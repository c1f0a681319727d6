"""Credentials that a platform's own tools left on this machine: a profile file, environment variables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class FoundCredential:
    """A credential, and where it was found."""

    place: str
    """For messages: a file with its section, or a variable."""
    secret: str
    base_url: str | None = None
    """The address that stands beside it."""
    file: Path | None = None


CredentialSource = Callable[[str, Mapping[str, Any], Mapping[str, str]], Sequence[FoundCredential]]
"""From an account's name, its keys as written, and the environment to the credentials that are there.

Raises ValueError, with the reason, where the account names one that cannot be used.
"""


def no_source(name: str, account: Mapping[str, Any], environ: Mapping[str, str]) -> Sequence[FoundCredential]:
    """For platforms whose tools leave nothing."""
    del name, account, environ
    return ()
