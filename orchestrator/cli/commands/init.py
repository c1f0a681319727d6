"""`init`: writes a first configuration and its key file, then checks them."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError

from orchestrator.cli.commands.doctor import doctor
from orchestrator.cli.invocation import fail, output, platforms
from orchestrator.domain.fields import AccountName
from orchestrator.durable import open_draft, private_folder, rename_exclusively, sync_file, sync_folder
from orchestrator.platforms.declaration import Declaration
from orchestrator.settings.credentials import check_secret

ConfigToWrite = Annotated[
    Path | None, typer.Option("--config", help="File to write; default: ./config.yaml.", show_default=False)
]
PlatformName = Annotated[str | None, typer.Option("--platform", help="The platform; default: ask.", show_default=False)]
Address = Annotated[
    str | None, typer.Option("--base-url", help="The address of its API; default: ask.", show_default=False)
]
Name = Annotated[
    str | None,
    typer.Option("--account", help="The account's name; default: the platform's name.", show_default=False),
]
KeyFrom = Annotated[
    Path | None,
    typer.Option("--key-from", help="File to read the API key from; - is stdin; default: ask.", show_default=False),
]
Check = Annotated[bool, typer.Option("--check/--no-check", help="Run `orchestrator doctor` at the end.")]

T = TypeVar("T")

_STDIN = Path("-")
_SECRETS = "secrets"
_CONFIG = """\
# Written by `orchestrator init`. config.example.yaml explains every key and has its default.
accounts:
  {account}:
    platform: {platform}
    base_url: {base_url}
    api_key_file: {_secrets}/{account}
"""


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the configuration is made of."""

    platform: str
    base_url: str
    account: str
    key: str


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    config: ConfigToWrite = None,
    platform: PlatformName = None,
    base_url: Address = None,
    account: Name = None,
    key_from: KeyFrom = None,
    *,
    check: Check = True,
) -> None:
    """Write a first configuration: asks for a platform, its address and an API key, and checks them.

    Writes config.yaml and the key file secrets/ACCOUNT, which only its owner can read. Nothing is overwritten.

    With --platform, --base-url and --key-from nothing is asked.
    """
    path = config or Path("config.yaml")
    _require_free(path)
    answers = _ask(path, platform, base_url, account, key_from)
    key_file = path.parent / _SECRETS / answers.account
    try:
        private_folder(key_file.parent)
        _write_new(key_file, f"{answers.key}\n", private=True)
        try:
            _write_new(path, _content(answers))
        except OSError:
            key_file.unlink()
            raise
    except OSError as error:
        fail(f"{error.filename2 or error.filename or path} cannot be written: {error.strerror or error}")
    output().print(f"wrote {path} and {key_file}\n")
    if check:
        doctor(path)


# ---------------------------------------------------------------- questions


def _ask(
    config: Path, platform: str | None, base_url: str | None, account: str | None, key_from: Path | None
) -> _Answers:
    _require_answers({"--platform": platform, "--base-url": base_url, "--key-from": key_from})
    declaration = _platform(platform)
    address = partial(_address, declaration)
    if base_url is not None:
        base_url = _valid("--base-url", base_url, address)
    name = _valid("--account", account or declaration.name, TypeAdapter(AccountName).validate_python)
    _require_free(config.parent / _SECRETS / name)
    base_url = base_url or _until_valid(lambda: _ask_address(declaration.base_urls), address)
    return _Answers(declaration.name, base_url, name, _key(declaration, key_from))


def _require_answers(options: dict[str, object]) -> None:
    """Without a terminal nothing can be asked: exit and name what is missing."""
    missing = [name for name, value in options.items() if value is None]
    if missing and not sys.stdin.isatty():
        fail(f"there is no terminal to ask on: add {', '.join(missing)}; `orchestrator init --help` describes them")


def _platform(name: str | None) -> Declaration:
    known = platforms()

    def check(text: str) -> Declaration:
        if text.strip() not in known:
            raise ValueError(f"{text!r} is no platform: known are {', '.join(known)}")
        return known[text.strip()]

    if name is not None:
        return _valid("--platform", name, check)
    for each in known.values():
        output().print(f"  {each.name:<14}{each.title}")
    return _until_valid(lambda: typer.prompt("Platform"), check)


def _ask_address(known: Sequence[str]) -> str:
    if len(known) > 1:
        for number, address in enumerate(known, 1):
            output().print(f"  {number}  {address}")
        answer: str = typer.prompt("Address of its API: a number of the list, or another address")
        return known[int(answer) - 1] if answer.isdecimal() and 0 < int(answer) <= len(known) else answer
    default = known[0] if known else None
    chosen: str = typer.prompt("Address of its API", default=default)
    return chosen


def _address(declaration: Declaration, text: str) -> str:
    """The address as an account of this platform takes it; raises ValueError."""
    account = declaration.account.model_validate({"platform": declaration.name, "base_url": text})
    return account.base_url


def _key(declaration: Declaration, source: Path | None) -> str:
    if source is None:
        if declaration.credential_help:
            output().print(f"{declaration.credential_help}.")
        return _until_valid(
            lambda: typer.prompt("API key (is not shown)", hide_input=True), lambda text: check_secret(text, "the key")
        )
    place = "stdin" if source == _STDIN else str(source)
    try:
        text = sys.stdin.read() if source == _STDIN else source.read_text(encoding="utf-8")
    except OSError as error:
        fail(f"--key-from: {source} cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        fail(f"--key-from: {place} is not UTF-8 text")
    return _valid("--key-from", text, lambda given: check_secret(given, place))


def _until_valid(ask: Callable[[], str], check: Callable[[str], T]) -> T:
    """Ask until the answer is valid."""
    while True:
        try:
            return check(ask())
        except ValueError as error:
            output().print(f"It {_reason(error)}." if isinstance(error, ValidationError) else f"{_reason(error)}.")


def _valid(option: str, text: str, check: Callable[[str], T]) -> T:
    """The value of an option; one that is not valid ends the command."""
    try:
        return check(text)
    except ValueError as error:
        fail(f"{option}: {_reason(error)}")


def _reason(error: ValueError) -> str:
    return error.errors()[0]["msg"].removeprefix("Value error, ") if isinstance(error, ValidationError) else str(error)


# ---------------------------------------------------------------- files


def _require_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        fail(f"{path} exists and is not overwritten: remove or rename it, or name another file with --config")


def _content(answers: _Answers) -> str:
    return _CONFIG.format(
        account=answers.account, platform=answers.platform, base_url=answers.base_url, _secrets=_SECRETS
    )


def _write_new(path: Path, text: str, *, private: bool = False) -> None:
    """Write a file that must not exist yet; raises OSError."""
    draft, file = open_draft(path, private=private)
    try:
        with file:
            file.write(text.encode())
            file.flush()
            sync_file(file.fileno())
        rename_exclusively(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
