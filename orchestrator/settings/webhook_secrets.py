"""Reads the secrets that webhooks are signed with: one line or, while receivers change to a new one, two."""

import base64
import binascii
from collections.abc import Callable
from pathlib import Path

PREFIX = "whsec_"
"""Of a symmetric secret, as Standard Webhooks has it; base64 follows."""
_LENGTHS = range(24, 65)
"""Bytes of a secret."""
_MOST = 2
_LARGEST = 4096
_HOW = "make one with: echo whsec_$(openssl rand -base64 32)"


def read_webhook_secrets(file: Path) -> tuple[str, ...]:
    """The secrets in a file, the newest first.

    Raises:
        ValueError: the file cannot be read, or holds no secrets.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    lines = [line.strip() for line in content.decode("utf-8", errors="replace").splitlines()]
    secrets = tuple(filter(None, lines))
    if not secrets or len(secrets) > _MOST or len(content) > _LARGEST:
        raise ValueError(f"{file} must hold one secret a line, one or (while rotating) two: {_HOW}")
    for number, secret in enumerate(secrets, start=1):
        if not _is_secret(secret):
            raise ValueError(f"{file}: line {number} is no secret: whsec_ and 24 to 64 bytes in base64; {_HOW}")
    return secrets


def webhook_secret_reader(
    file: Path | None, known: tuple[str, ...], learn: Callable[[str], None]
) -> Callable[[], tuple[str, ...]]:
    """Return a function that reads the secrets again, as they are rotated while the daemon runs.

    While the file cannot be read or holds no secrets, those read last are returned; `doctor` reports such a file.

    Args:
        file: None where none is configured.
        known: the secrets at the start.
        learn: called with each new secret before it is returned, to keep it out of the log.
    """

    def read() -> tuple[str, ...]:
        nonlocal known
        if file is not None:
            try:
                found = read_webhook_secrets(file)
            except ValueError:
                return known  # the file is being replaced
            for secret in found:
                if secret not in known:
                    learn(secret)
            known = found
        return known

    return read


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(PREFIX) and len(key) in _LENGTHS
