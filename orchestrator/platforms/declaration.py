"""The declaration of a platform: everything that the rest of the program needs to use it."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.clock import Clock, Micros
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, Item
from orchestrator.domain.submission import SentWork
from orchestrator.platforms.account import Account
from orchestrator.platforms.credential_source import CredentialSource, no_source
from orchestrator.platforms.http.responses import Classifier, unclassified
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.platform import Platform

Secret = str | Callable[[], str]
"""The credential, or a function that reads it for each use, as it may have been replaced; called in a thread."""


SentBesides = Callable[[Batch, Micros, Collection[str]], Awaitable[SentWork]]
"""Reads from the records what was sent beside a batch since a time, and which of some ids belong to that.

For work that carries no mark of this installation.
"""


ItemsOf = Callable[[Batch], Awaitable[Sequence[Item]]]
"""Reads the items of a batch from the records, in their order. For answers that do not carry the keys of items."""


async def nothing_else(batch: Batch, since: Micros, ids: Collection[str]) -> SentWork:
    """A `SentBesides` without records."""
    del batch, since, ids
    return SentWork()


async def no_items(batch: Batch) -> Sequence[Item]:
    """An `ItemsOf` without records."""
    del batch
    return ()


@dataclass(frozen=True, slots=True)
class Connection:
    """What an adapter is built from."""

    name: str
    """Of the account."""
    account: Account
    remote: Remote
    secret: Secret
    instance: str
    """The name of this installation, in keys and tags."""
    memory: Mapping[str, str]
    """What was learned about the account before: the values of its `Learned` observations by name."""
    clock: Clock
    sent_besides: SentBesides = nothing_else
    items_of: ItemsOf = no_items


@dataclass(frozen=True, slots=True)
class StatedLimit:
    """The request limit of a user, as the platform states it."""

    requests: int
    per: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One platform."""

    name: str
    """The value of `platform:` in an account, and the prefix of the names of its kinds."""
    title: str
    """Its name in messages and on pages."""
    account: type[Account]
    """The keys of its accounts, with its defaults."""
    kinds: tuple[Kind, ...]
    connect: Callable[[Connection], Platform]
    """Builds the adapter; imports it only when called, so that commands without it start quickly."""
    classify: Classifier = unclassified
    """The meaning of errors beyond their status."""
    learned: Mapping[str, str] = field(default_factory=dict)
    """The learned behaviour that is shown for an account: name → value while nothing is known."""
    base_urls: tuple[str, ...] = ()
    """The known addresses of its API; empty where each installation has its own."""
    credential_help: str = ""
    """Where a user gets an API key, in one sentence."""
    credential_source: CredentialSource = no_source
    """One more place for an account's secret: what the platform's own tools read."""
    stated_limit: Callable[[Connection], Awaitable[StatedLimit | None]] | None = None
    """Asks the platform for the limit of its user, in a request that is not counted; None where it states none."""

    def __post_init__(self) -> None:
        foreign = [kind.name for kind in self.kinds if kind.platform != self.name]
        if foreign:
            raise ValueError(f"kinds of {self.name} must begin with `{self.name}.`: {', '.join(foreign)} do not")
