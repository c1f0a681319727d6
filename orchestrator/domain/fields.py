"""The kinds of value that a configuration holds, each checked where it is read.

Every check raises ValueError with a text that can stand behind the key: "accounts.ica.base_url: must be …".
"""

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from orchestrator.domain.units import format_duration, parse_duration, parse_size

_LONGEST = 36_500 * 86_400.0
"""Seconds of the longest duration: times computed with it stay times."""
_SQLITE = "sqlite:///"
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_URL_PASSWORD = re.compile(r"(?<=://)([^/@]*?):[^/]*@")
_QUERY_PASSWORD = re.compile(r"(?i)(?<=[?&])((?:ssl)?password)=[^&]*")

_PLACEHOLDER = re.compile(r"\{[^{}]*\}|[{}]")
WEB_URL_PLACEHOLDERS = ("{project}", "{remote_id}")
"""What a `WebUrl` may contain."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, repr=False)
class Database:
    """Where the state lives. Its texts never show a password; `url` does."""

    url: str
    """`sqlite:///PATH` or `postgresql://…`, with the password if there is one."""

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database; None for a server."""
        return Path(self.url.removeprefix(_SQLITE)) if self.url.startswith(_SQLITE) else None

    @property
    def passwords(self) -> tuple[str, ...]:
        """The password in every spelling that a log could show; empty when there is none."""
        if self.path is not None:
            return ()
        parts = urlsplit(self.url)
        query = parse_qs(parts.query)
        written = [parts.password or "", *query.get("password", []), *query.get("sslpassword", [])]
        return tuple(sorted({text for word in written for text in (word, unquote(word)) if text}))

    def anchored(self, folder: Path) -> "Database":
        """The same database with a relative file taken from `folder`."""
        return self if self.path is None else replace(self, url=f"{_SQLITE}{folder / self.path}")

    def __str__(self) -> str:
        return _QUERY_PASSWORD.sub(r"\1=***", _URL_PASSWORD.sub(r"\1:***@", self.url))

    def __repr__(self) -> str:
        return f"Database({str(self)!r})"


def is_loopback(host: str) -> bool:
    """True for `localhost`, 127.0.0.0/8 and ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text: put it in quotes")  # noqa: TRY004 - pydantic reports ValueError, not TypeError
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _duration(value: object) -> float:
    # Numbers go the same way as text, so that a figure without its unit gets the explanation.
    seconds = parse_duration(str(value))
    if seconds > _LONGEST:
        raise ValueError(f"must be at most {format_duration(_LONGEST)}")
    return seconds


def _size(value: object) -> int:
    return parse_size(str(value))


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _split(text: str) -> SplitResult:
    """The parts of a URL, with every way of being malformed made into one message."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("is not a valid URL")
    return parts


def _base_url(value: object) -> str:
    text = _text(value)
    parts = _split(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be a URL such as https://platform.example.org/api")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must begin with https://: over http the API key could be read on the way")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password: the API key has its own place, see api_key_file")
    if parts.query or parts.fragment:
        raise ValueError("must not hold ? or #: paths are put behind it")
    return text.rstrip("/")


def _web_url(value: object) -> str:
    text = _text(value)
    unknown = [name for name in _PLACEHOLDER.findall(text) if name not in WEB_URL_PLACEHOLDERS]
    if unknown:
        raise ValueError(f"has {unknown[0]}: known are {' and '.join(WEB_URL_PLACEHOLDERS)}")
    parts = _split(_PLACEHOLDER.sub("x", text))
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("must begin with https://, such as https://platform.example.org/{project}/{remote_id}")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password")
    if _PLACEHOLDER.search(text.split("/", 3)[2]):
        raise ValueError("must have its placeholders behind the host")
    if WEB_URL_PLACEHOLDERS[1] not in text:
        raise ValueError("must contain {remote_id}, which is replaced by the id of the item on the platform")
    return text


def _database(value: object) -> Database:
    if isinstance(value, Database):
        return value
    text = _text(value)
    if text.startswith(_SQLITE):
        return _sqlite(text)
    parts = _split(text)
    if parts.scheme == "sqlite":
        raise ValueError("must name a file: sqlite:///state/orchestrator.db, or sqlite:////var/lib/… (four slashes)")
    if parts.scheme != "postgresql":
        raise ValueError("must begin with sqlite:/// or postgresql://")
    if not parts.path.strip("/"):
        raise ValueError("must name a database: postgresql://user@host/orchestrator")
    return Database(text)


def _sqlite(text: str) -> Database:
    path = text.removeprefix(_SQLITE)
    if path.strip("/.") in {"", ":memory:"} or path.endswith("/"):
        raise ValueError("must name a file: the state has to outlive the daemon")
    if "?" in path or "#" in path:
        raise ValueError("must not hold ? or #: SQLite is set up by the program")
    return Database(text)


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    bare = host.removeprefix("[").removesuffix("]")
    # An IPv6 address needs its brackets, or its last group would be taken for the port.
    bracketed = host != bare
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not _is_host(bare) or bracketed != (":" in bare):
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    if int(port) > 65_535:  # noqa: PLR2004 - the highest port there is
        raise ValueError("must be HOST:PORT with a port from 0 to 65535")
    return Address(bare, int(port))


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return _HOST.fullmatch(text.lower()) is not None
    return True


def _account_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError("is no name for an account: small letters, digits and _, beginning with a letter")
    if "__" in name or name.endswith("_"):
        raise ValueError("is no name for an account: __ separates the keys in ORCHESTRATOR_ACCOUNTS__NAME__…")
    return name


Duration = Annotated[float, BeforeValidator(_duration)]
"""Seconds, written with a unit; nothing is allowed."""
PositiveDuration = Annotated[float, BeforeValidator(_duration), Field(gt=0)]
"""Seconds, written with a unit; more than nothing."""
Size = Annotated[int, BeforeValidator(_size), Field(ge=1)]
"""Bytes, written with a unit."""
MOST_COUNT = 1_000_000_000
"""Every database holds it; a larger number is a slip, or stands for "no limit"."""
Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
ConfigPath = Annotated[Path, BeforeValidator(_path)]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
"""https, or http to this machine; without a slash at the end."""
WebUrl = Annotated[str, BeforeValidator(_web_url)]
"""The https address of a page of the platform, with `{remote_id}` and, where it needs it, `{project}`."""
DatabaseUrl = Annotated[Database, BeforeValidator(_database), PlainSerializer(str)]
ListenAddress = Annotated[Address, BeforeValidator(_address)]
AccountName = Annotated[str, AfterValidator(_account_name)]
