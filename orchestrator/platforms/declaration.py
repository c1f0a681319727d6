"""What a platform says of itself, in one value: everything that the rest of the program needs to know to use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrator.clock import Clock
from orchestrator.domain.kinds import Kind
from orchestrator.platforms.account import Account
from orchestrator.platforms.credential_source import CredentialSource, no_source
from orchestrator.platforms.http.responses import Classifier, unclassified
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.platform import Platform

Secret = str | Callable[[], str]
"""The credential, or what reads it again for each use, as it may have been replaced; called in a thread."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What every adapter is built from."""

    name: str
    """Of the account."""
    account: Account
    remote: Remote
    secret: Secret
    instance: str
    """The name of this installation, in keys and tags."""
    memory: Mapping[str, str]
    """What was learned about the account before, as `Learnt` observations reported it."""
    clock: Clock


@dataclass(frozen=True, slots=True)
class Declaration:
    """One platform."""

    name: str
    """What `platform:` of an account says, and what the names of its kinds begin with."""
    title: str
    """Its name in messages and on pages."""
    account: type[Account]
    """The keys of its accounts, with its defaults."""
    kinds: tuple[Kind, ...]
    connect: Callable[[Connection], Platform]
    """Builds the adapter; imports it only then, so that commands that need none start quickly."""
    classify: Classifier = unclassified
    """What a refusal means beyond its status."""
    learned: Mapping[str, str] = field(default_factory=dict)
    """What an account shows of the behaviour it has learned: name → value before anything is known."""
    base_urls: tuple[str, ...] = ()
    """The known addresses of its API; empty where each installation has its own."""
    credential_help: str = ""
    """Where a user gets an API key, in one sentence."""
    credential_source: CredentialSource = no_source
    """One more place for an account's secret: what the platform's own tools read."""

    def __post_init__(self) -> None:
        foreign = [kind.name for kind in self.kinds if kind.platform != self.name]
        if foreign:
            raise ValueError(f"kinds of {self.name} must begin with `{self.name}.`: {', '.join(foreign)} do not")
