"""Chooses the certificate authorities that platforms are verified with.

By default those of the system, as for `curl`, which include the authority of a company's proxy or private platform.
`SSL_CERT_FILE` and `SSL_CERT_DIR` replace them. A system without a certificate store uses Mozilla's authorities, which
come with the HTTP library.

The library `truststore` would do the same on Linux, but reads the whole store again for each connection, on the event
loop (30 ms). Here it is read once: all accounts and the webhooks of a process share the authorities.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import certifi

from orchestrator.domain.messages.problems import Problem, SettingsError

FILE: Final = "SSL_CERT_FILE"
DIRECTORY: Final = "SSL_CERT_DIR"
_STORES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)
"""Usual places of the system's store, for a Python that was built with its own OpenSSL."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """The trusted certificate authorities."""

    context: ssl.SSLContext
    source: str
    """Where the authorities come from, for display."""
    system: bool = True
    """Whether they are the system's or set by the environment."""


def authorities(environ: Mapping[str, str] = os.environ) -> Authorities:
    """The authorities of the environment or the system, as they were when this was first called.

    Raises:
        SettingsError: `SSL_CERT_FILE` or `SSL_CERT_DIR` is missing, unreadable, or holds no certificate.
    """
    file, directory = environ.get(FILE) or None, environ.get(DIRECTORY) or None
    if file is not None or directory is not None:
        return _named(file, directory)
    return _of_system(ssl.get_default_verify_paths(), _STORES)


@cache
def _of_system(paths: ssl.DefaultVerifyPaths, stores: tuple[str, ...]) -> Authorities:
    if paths.cafile or (paths.capath and any(Path(paths.capath).glob("*.0"))):
        return Authorities(ssl.create_default_context(), f"the system's ({paths.cafile or paths.capath})")
    for store in filter(os.path.isfile, stores):
        return Authorities(ssl.create_default_context(cafile=store), f"the system's ({store})")
    context = ssl.create_default_context(cafile=certifi.where())
    return Authorities(context, "Mozilla's, which come with the program: this system has none", system=False)


@cache
def _named(file: str | None, directory: str | None) -> Authorities:
    problems, context = [], None
    try:
        context = ssl.create_default_context(cafile=file, capath=directory)
    except ssl.SSLError:
        problems.append(_unusable(file, "holds no certificate"))
    except OSError as error:
        problems.append(_unusable(file, f"cannot be read ({error.strerror or error})"))
    if directory is not None and not os.access(directory, os.R_OK | os.X_OK):
        text = "does not exist" if not Path(directory).exists() else "cannot be read"
        problems.append(Problem(DIRECTORY, f"{directory} {text}: name a folder made by `openssl rehash`, or unset it"))
    if problems or context is None:
        raise SettingsError(problems)
    named = [f"${key} ({value})" for key, value in ((FILE, file), (DIRECTORY, directory)) if value is not None]
    return Authorities(context, " and ".join(named))


def _unusable(file: str | None, reason: str) -> Problem:
    return Problem(FILE, f"{file} {reason}: name a file of certificate authorities in PEM, or unset it")
