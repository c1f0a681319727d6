"""The model of the configuration: every key with its default and range.

Durations are in seconds (float), sizes in bytes (int). Secrets are filled in by `load`; they are not keys of the file
and are not included in a `repr`.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from orchestrator.domain.fields import (
    AccountName,
    Address,
    ConfigPath,
    Count,
    Database,
    DatabaseUrl,
    Duration,
    ListenAddress,
    PositiveDuration,
    Size,
)
from orchestrator.domain.webhook import Network, parse_allowed_host
from orchestrator.platforms.account import Account, Section
from orchestrator.platforms.registry import PLATFORMS, Platforms
from orchestrator.settings.accounts import OnAnyOf


def _allowed_host(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text: put it in quotes")  # noqa: TRY004 - pydantic reports ValueError, not TypeError
    return parse_allowed_host(value)


def _private_network(value: object) -> Network:
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError("must be a network such as 10.1.0.0/16 or fd00::/8, without bits behind the prefix") from None


AllowedHost = Annotated[str, BeforeValidator(_allowed_host)]
PrivateNetwork = Annotated[Network, BeforeValidator(_private_network), PlainSerializer(str)]


class Queue(Section):
    """The queue directory."""

    directory: ConfigPath = Path("queue")
    scan_interval: PositiveDuration = 2.0
    rest: Duration = 5.0
    max_bytes: Size = 256 * 1024**2


SHORTEST_TOKEN = 12
"""Characters of a token beyond loopback: fewer can be guessed."""


class Server(Section):
    """Health, metrics and the API."""

    listen: ListenAddress = Address("127.0.0.1", 8080)
    token_file: Annotated[ConfigPath | None, Field(validate_default=True)] = None
    token: Annotated[SecretStr | None, Field(exclude=True)] = None
    """The token that callers must send; None if no `token_file` is set."""

    @field_validator("token_file")
    @classmethod
    def _guards_the_network(cls, token_file: Path | None, info: ValidationInfo) -> Path | None:
        listen = info.data.get("listen")
        if listen is not None and not listen.is_loopback and token_file is None:
            raise ValueError(
                f"is needed, as server.listen ({listen}) can be reached from other machines:"
                " name a file that holds a token, or listen on 127.0.0.1"
            )
        return token_file

    @model_validator(mode="after")
    def _is_no_guess(self) -> Self:
        if not self.listen.is_loopback and self.token and len(self.token.get_secret_value()) < SHORTEST_TOKEN:
            raise ValueError(
                f"the token has fewer than {SHORTEST_TOKEN} characters, and server.listen ({self.listen}) can be"
                " reached from other machines: write a longer one into token_file, as `openssl rand -hex 32` prints"
            )
        return self


class Notify(Section):
    """Webhooks: which hosts may be called, and what calls are signed with."""

    allowed_hosts: tuple[AllowedHost, ...] = ()
    allow_private: tuple[PrivateNetwork, ...] = ()
    secret_file: ConfigPath | None = None
    secrets: Annotated[tuple[SecretStr, ...], Field(exclude=True)] = ()
    """The secrets in `secret_file`: the newest first, each `whsec_` and base64."""


class Log(Section):
    """Logging to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Retention(Section):
    """How long finished jobs and files are kept."""

    settled_jobs: PositiveDuration = 90 * 86_400.0
    accepted_files: PositiveDuration = 90 * 86_400.0
    rejected_files: PositiveDuration = 30 * 86_400.0


class Backup(Section):
    """Scheduled backups of an SQLite database."""

    directory: ConfigPath = Path("backups")
    interval: PositiveDuration = 86_400.0
    keep: Count = 7

    @field_validator("directory")
    @classmethod
    def _is_part_of_a_url(cls, directory: Path) -> Path:
        if "?" in str(directory):
            raise ValueError("must not have ? in its path: a copy is opened as a database")
        return directory


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        case_sensitive=True,
        env_prefix="ORCHESTRATOR_",
        env_nested_delimiter="__",
        env_parse_none_str="null",
    )

    platforms: ClassVar[Platforms] = PLATFORMS
    """The platforms that accounts may be on."""

    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None
    database: DatabaseUrl = Database("sqlite:///state/orchestrator.db")
    queue: Queue = Queue()
    accounts: Annotated[dict[AccountName, Annotated[Account, OnAnyOf(PLATFORMS)]], Field(min_length=1)]
    secrets_dir: ConfigPath | None = None
    server: Server | None = Server()
    notify: Notify = Notify()
    backup: Backup | None = None
    log: Log = Log()
    retention: Retention = Retention()
    allow_network_file_system: bool = False

    @field_validator("server", mode="before")
    @classmethod
    def _switched_off(cls, server: object) -> object:
        """`server: null` and `server: {listen: null}` mean the same."""
        return None if isinstance(server, Mapping) and server.get("listen", "") is None else server

    @field_validator("backup")
    @classmethod
    def _copies_files_only(cls, backup: Backup | None, info: ValidationInfo) -> Backup | None:
        database = info.data.get("database")
        if backup is not None and database is not None and database.path is None:
            raise ValueError("copies SQLite databases only: leave it out, and back up PostgreSQL with pg_dump")
        return backup

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the values that `load` passes: the library reads no other source."""
        return (init_settings,)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret as text, for the log's redaction."""
        token = self.server.token if self.server is not None else None
        held = [*(account.api_key for account in self.accounts.values()), token, *self.notify.secrets]
        texts = [secret.get_secret_value() for secret in held if secret is not None]
        return (*filter(None, texts), *self.database.passwords)

    def _anchored_backup(self, folder: Path) -> Backup | None:
        if self.backup is None:
            return None
        return self.backup.model_copy(update={"directory": folder / self.backup.directory})

    def anchored(self, folder: Path) -> Self:
        """A copy of the settings with relative paths resolved against `folder`."""

        def full(path: Path | None) -> Path | None:
            return None if path is None else folder / path

        accounts = {
            name: account.model_copy(update={"api_key_file": full(account.api_key_file)})
            for name, account in self.accounts.items()
        }
        server = self.server
        if server is not None:
            server = server.model_copy(update={"token_file": full(server.token_file)})
        update = {
            "database": self.database.anchored(folder),
            "queue": self.queue.model_copy(update={"directory": folder / self.queue.directory}),
            "accounts": accounts,
            "secrets_dir": full(self.secrets_dir),
            "server": server,
            "notify": self.notify.model_copy(update={"secret_file": full(self.notify.secret_file)}),
            "backup": self._anchored_backup(folder),
        }
        return self.model_copy(update=update)


def settings_model(platforms: Platforms) -> type[Settings]:
    """The settings class for these platforms."""
    if platforms is PLATFORMS:
        return Settings
    allowed = OnAnyOf(platforms)

    class SettingsOfPlatforms(Settings):
        platforms: ClassVar[Platforms]
        accounts: Annotated[dict[AccountName, Annotated[Account, allowed]], Field(min_length=1)]

    SettingsOfPlatforms.platforms = platforms
    return SettingsOfPlatforms
