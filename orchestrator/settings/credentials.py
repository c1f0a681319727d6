"""Reads secrets, each from exactly one place and never from the configuration file.

An account's API key comes from one of
- the file that `api_key_file` names,
- the variable `ORCHESTRATOR_ACCOUNTS__NAME__API_KEY`,
- the file `NAME_api_key` in `secrets_dir` (a mounted Kubernetes secret, say),
- the file `NAME_api_key` in `$CREDENTIALS_DIRECTORY` (systemd's LoadCredential),
- what the platform's own tools read, where its declaration has a `credential_source`.
Two places at once are refused rather than ranked: which user the platform sees must not hang on an order.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from orchestrator.domain.messages.problems import Problem
from orchestrator.platforms.account import Account
from orchestrator.platforms.credential_source import FoundCredential
from orchestrator.platforms.registry import Platforms
from orchestrator.settings.model import Settings
from orchestrator.settings.problems import KeyPath
from orchestrator.settings.sources import Reading, variable_for
from orchestrator.settings.webhook_secrets import read_webhook_secrets

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
_LARGEST_SECRET = 65_536


def key_file_name(account: str) -> str:
    """The name of the file with an account's API key in `secrets_dir` and `$CREDENTIALS_DIRECTORY`."""
    return f"{account}_api_key"


def refuse_written(document: dict[str, Any]) -> list[Problem]:
    """Remove secrets from the content of the configuration file, and return a problem for each."""
    problems = []
    for path, remedy in _written(document):
        holder = document
        for part in path[:-1]:
            holder = holder[part]
        del holder[path[-1]]
        problems.append(Problem(".".join(path), f"a secret is never written in this file: {remedy}"))
    return problems


def refuse_variables(values: dict[str, Any], variables: Mapping[KeyPath, str]) -> list[Problem]:
    """Remove secrets that must be in a file, and return a problem for each."""
    problems = []
    for section, key, file_key in _FILE_ONLY:
        holder = values.get(section)
        if isinstance(holder, dict) and key in holder:
            del holder[key]
            name = variables.get((section, key)) or variables.get((section,), section)
            wanted = variable_for((section, file_key))
            problems.append(Problem(name, f"{section}.{key} is not read from a variable: name a file in {wanted}"))
    return problems


_FILE_ONLY = (("server", "token", "token_file"), ("notify", "secrets", "secret_file"))


def _written(document: Mapping[str, Any]) -> list[tuple[KeyPath, str]]:
    found: list[tuple[KeyPath, str]] = [
        ((section, key), f"put it into a file and name that in {section}.{file_key}")
        for section, key, file_key in _FILE_ONLY
        if key in _mapping(document.get(section))
    ]
    for name, account in _mapping(document.get("accounts")).items():
        if "api_key" in _mapping(account):
            variable = variable_for(("accounts", name, "api_key"))
            remedy = f"put it into a file and name that in accounts.{name}.api_key_file, or set {variable}"
            found.append((("accounts", name, "api_key"), remedy))
    return found


def read_secrets(values: Mapping[str, Any], environ: Mapping[str, str], folder: Path, platforms: Platforms) -> Reading:
    """Every secret that the values ask for, laid out as the settings are, with the address that stands beside it.

    Args:
        values: file and environment as one, not validated yet.
        environ: has `$CREDENTIALS_DIRECTORY`, and what the tools of the platforms read.
        folder: what relative paths are relative to.
        platforms: that accounts may be on.
    """
    reading = Reading()
    secrets_dir = values.get("secrets_dir")
    named = folder / secrets_dir if isinstance(secrets_dir, str) else None
    if named is not None and not named.is_dir():
        reading.problems.append(Problem("secrets_dir", f"there is no folder {named}"))
    directories = _directories(named, environ)
    holders: dict[tuple[str, str], str] = {}
    for name, account in _mapping(values.get("accounts")).items():
        path = ("accounts", name, "api_key")
        try:
            others = _of_tools(name, _mapping(account), environ, platforms)
            key = _api_key(name, _mapping(account), directories, folder, others)
            if (holder := holders.setdefault((str(_mapping(account).get("platform")), key), name)) != name:
                _refuse(f"is the same as that of accounts.{holder}: one credential is one account with one budget")
        except ValueError as error:
            reading.problems.append(Problem(".".join(path), str(error)))
            # A key that is not accepted must not reach later checks or their error messages.
            _put(reading.values, path, "")
        else:
            _put(reading.values, path, key)
            for base_url in (each.base_url for each in others if each.base_url is not None):
                _put(reading.values, ("accounts", name, "base_url"), base_url)
    for section, key, file_key in _FILE_ONLY:
        file = _mapping(values.get(section)).get(file_key)
        if isinstance(file, str) and file:
            read = read_webhook_secrets if section == "notify" else _read
            try:
                _put(reading.values, (section, key), read(folder / file))
            except ValueError as error:
                reading.problems.append(Problem(f"{section}.{file_key}", str(error)))
    return reading


def key_reader(
    settings: Settings, name: str, environ: Mapping[str, str], learn: Callable[[str], None]
) -> Callable[[], str]:
    """Return a function that reads an account's API key again, as keys are replaced while the daemon runs.

    A key from a variable never changes. While the file cannot be read or contains no key, the last key is returned.

    Args:
        settings: the settings at the start.
        name: the account.
        environ: provides `$CREDENTIALS_DIRECTORY`.
        learn: called with each new key before it is returned, to keep it out of the log.
    """
    account, directories = settings.accounts[name], _directories(settings.secrets_dir, environ)
    known = account.api_key.get_secret_value()

    def read() -> str:
        nonlocal known
        try:
            files = list(_key_files(name, account.api_key_file, directories))
            others = [] if files else _of_tools(name, _as_written(account), environ, settings.platforms)
            found = _read(files[0]) if files else check_secret(others[0].secret, others[0].place) if others else known
        except ValueError:
            return known  # the file is being replaced; if it stays unreadable, the platform refuses the old key
        if found != known:
            learn(found)
            known = found
        return known

    return read


def exposed_secrets(settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """A warning for each secret file that every user of the machine can read."""
    directories = _directories(settings.secrets_dir, environ)
    files = [account.api_key_file for account in settings.accounts.values()]
    files += [directory / key_file_name(name) for directory in directories for name in settings.accounts]
    files += [settings.server.token_file if settings.server else None, settings.notify.secret_file]
    files += (file for name in settings.accounts for file in _files_of_tools(name, settings, environ))
    return tuple(
        f"{file} can be read by every user of this machine: chmod o-r {file}"
        for file in dict.fromkeys(files)
        if file is not None and _readable_by_all(file)
    )


def _readable_by_all(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        # The file does not exist or its folder is not accessible: it is not exposed.
        return False


def _directories(secrets_dir: Path | None, environ: Mapping[str, str]) -> list[Path]:
    given = environ.get(CREDENTIALS_VARIABLE)
    return [Path(folder) for folder in (secrets_dir, given) if folder]


def _of_tools(
    name: str, account: Mapping[str, Any], environ: Mapping[str, str], platforms: Platforms
) -> Sequence[FoundCredential]:
    """What the tools of the account's platform left for it; raises ValueError where that cannot be used."""
    platform = account.get("platform")
    declaration = platforms.get(platform) if isinstance(platform, str) else None
    return declaration.credential_source(name, account, environ) if declaration is not None else ()


def _files_of_tools(name: str, settings: Settings, environ: Mapping[str, str]) -> list[Path | None]:
    try:
        found = _of_tools(name, _as_written(settings.accounts[name]), environ, settings.platforms)
    except ValueError:
        return []  # what cannot be read by us exposes nothing through us; `load` reports it
    return [each.file for each in found]


def _as_written(account: Account) -> Mapping[str, Any]:
    """The keys of an account that was read, without what came from beside its credential."""
    return account.model_dump(exclude={"api_key", "base_url"})


def _api_key(
    name: str,
    account: Mapping[str, Any],
    directories: list[Path],
    folder: Path,
    others: Sequence[FoundCredential],
) -> str:
    variable = variable_for(("accounts", name, "api_key"))
    named = account.get("api_key_file")
    files = list(_key_files(name, folder / named if isinstance(named, str) and named else None, directories))
    written = account.get("api_key")
    places = [*([variable] if written is not None else []), *map(str, files), *(each.place for each in others)]
    if len(places) > 1:
        _refuse(f"is given more than once, by {' and '.join(places)}: keep one")
    if written is not None:
        return check_secret(written, variable)
    if others:
        return check_secret(others[0].secret, others[0].place)
    if not files:
        _refuse(
            f"no API key found: name the file that holds it in accounts.{name}.api_key_file, or set {variable},"
            f" or put it into {key_file_name(name)} in secrets_dir"
        )
    return _read(files[0])


def _key_files(name: str, named: Path | None, directories: list[Path]) -> Iterator[Path]:
    """The files that contain the key; a file with two paths is listed once."""
    files = [named] if named is not None else []
    files += filter(_exists, (directory / key_file_name(name) for directory in directories))
    yield from {os.path.realpath(file): file for file in reversed(files)}.values()


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None


def _read(file: Path) -> str:
    try:
        if file.exists() and not file.is_file():
            _refuse(f"{file} is not a file")
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_SECRET + 1)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST_SECRET:
        _refuse(f"{file} is too large for a secret")
    return check_secret(content.decode("utf-8", errors="replace"), str(file))


def check_secret(secret: object, place: str) -> str:
    """The secret without surrounding whitespace; it must be usable in a header."""
    text = secret.strip() if isinstance(secret, str) else ""
    if not text:
        _refuse(f"{place} is empty: it must hold the secret")
    if not text.isascii() or not text.isprintable() or " " in text:
        _refuse(f"{place} must contain printable characters without spaces, on one line")
    return text


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _put(values: dict[str, Any], path: KeyPath, secret: str | tuple[str, ...]) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values[path[-1]] = secret
