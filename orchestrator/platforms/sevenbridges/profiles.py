"""Tokens that Seven Bridges' own clients read: a profile of their credentials file, or two environment variables."""

import configparser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestrator.platforms.credential_source import FoundCredential

FILE_VARIABLE: Final = "SB_CREDENTIALS_FILE"
"""Names the file, in place of the one in the home directory."""
TOKEN_VARIABLE: Final = "SB_AUTH_TOKEN"  # noqa: S105 - the name of a variable
ADDRESS_VARIABLE: Final = "SB_API_ENDPOINT"
_USUAL_FILE: Final = Path(".sevenbridges", "credentials")
_TOKEN: Final = "auth_token"  # noqa: S105 - the name of a key
_ADDRESS: Final = "api_endpoint"


def find_credentials(name: str, account: Mapping[str, Any], environ: Mapping[str, str]) -> Sequence[FoundCredential]:
    """The credentials for an account; see `CredentialSource`."""
    found = []
    if (profile := account.get("profile")) is not None:
        found.append(_of_profile(name, account, str(profile), environ))
    if token := environ.get(TOKEN_VARIABLE):
        found.append(_of_environment(account, token, environ))
    return found


def _of_profile(name: str, account: Mapping[str, Any], profile: str, environ: Mapping[str, str]) -> FoundCredential:
    for key in ("api_key_file", "base_url"):
        if account.get(key) is not None:
            raise ValueError(f"is given twice: `profile` has token and address, so leave out either it or `{key}`")
    file = _file(environ)
    section = _section(file, _parsed(file, name), profile)
    for key in (_TOKEN, _ADDRESS):
        if not section.get(key):
            raise ValueError(f"the profile [{profile}] of {file} has no {key}")
    return FoundCredential(f"[{profile}] of {file}", section[_TOKEN], section[_ADDRESS], file)


def _of_environment(account: Mapping[str, Any], token: str, environ: Mapping[str, str]) -> FoundCredential:
    address, written = environ.get(ADDRESS_VARIABLE) or None, account.get("base_url")
    if written is None:
        return FoundCredential(TOKEN_VARIABLE, token, address)
    if address is not None and address.rstrip("/") != str(written).rstrip("/"):
        raise ValueError(
            f"{TOKEN_VARIABLE} is for {address} ({ADDRESS_VARIABLE}), and base_url is {written}:"
            " unset the variables, or make the two addresses equal"
        )
    return FoundCredential(TOKEN_VARIABLE, token)


def _file(environ: Mapping[str, str]) -> Path:
    if named := environ.get(FILE_VARIABLE):
        return Path(named)
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / _USUAL_FILE


def _parsed(file: Path, name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with file.open(encoding="utf-8-sig") as stream:
            parser.read_file(stream)
    except OSError as error:
        raise ValueError(
            f"{file} cannot be read: {error.strerror}. A service that may not see home directories (ProtectHome) gets"
            f" the token with LoadCredential={name}_api_key:FILE, and its address in base_url"
        ) from None
    except (configparser.Error, UnicodeDecodeError):
        raise ValueError(f"{file} is no credentials file: it needs sections such as [default]") from None
    return parser


def _section(file: Path, parser: configparser.ConfigParser, profile: str) -> Mapping[str, str]:
    if not parser.has_section(profile):
        known = ", ".join(parser.sections()) or "none"
        raise ValueError(f"{file} has no profile [{profile}]; it has {known}")
    return parser[profile]
