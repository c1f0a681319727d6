"""Connects an account to its platform: rate limiter, HTTP client and adapter. Connects webhooks to their receivers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio.abc

from orchestrator.clock import Clock
from orchestrator.intake.limits import webhook_terms
from orchestrator.notify.client import WebhookClient
from orchestrator.notify.deliveries import Deliveries, Sender
from orchestrator.platforms.declaration import Connection, Declaration
from orchestrator.platforms.http.clock_skew import Skew
from orchestrator.platforms.http.contact import Contact
from orchestrator.platforms.http.transport import Exchange, Remote
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.rate_limit.limiter import Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import SlotFile
from orchestrator.settings import Account, Settings
from orchestrator.settings.state import slot_file
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, RequestDone


@dataclass(frozen=True, slots=True)
class SecretReaders:
    """Read secrets again, as they are replaced while the daemon runs; without a reader, that of the settings stays."""

    keys: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    """By account: its API key."""
    webhooks: Callable[[], Sequence[str]] | None = None
    """What webhooks are signed with, the newest first."""


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What all accounts share when they are connected."""

    state: Path
    instance: str
    store: Store
    clock: Clock
    bus: Bus[Event]
    random: Random
    secrets: SecretReaders


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """An account with its rate limiter, contact state and adapter."""

    name: str
    settings: Account
    budget: RateLimiter
    skew: Skew
    contact: Contact
    platform: Platform
    memory: Mapping[str, str]
    """What earlier processes stored about the account."""


@contextmanager
def open_rate_limiter(
    name: str, account: Account, *, state: Path, memory: Mapping[str, str], clock: Clock, random: Random
) -> Iterator[RateLimiter]:
    """The rate limiter of an account, including the requests of earlier processes; requires the `DaemonLock`."""
    slots = SlotFile(slot_file(state, name), first_start="seen" not in memory)
    try:
        limit = Limit(account.budget.requests, account.budget.per, account.budget.use_at_most)
        yield RateLimiter(limit, clock, slots, random)
    finally:
        slots.close()


async def connect(
    name: str, account: Account, declaration: Declaration, context: ConnectionContext, stack: AsyncExitStack
) -> ConnectedAccount:
    clock, bus, store = context.clock, context.bus, context.store
    memory = await store.memory.recall(name)
    budget = stack.enter_context(
        open_rate_limiter(name, account, state=context.state, memory=memory, clock=clock, random=context.random)
    )
    await store.memory.remember(name, "seen", "yes")
    skew, contact = Skew(clock), Contact(clock)

    def observe(exchange: Exchange) -> None:
        skew.heard(exchange.server_date)
        contact.heard(exchange)
        bus.publish(
            RequestDone(name, exchange.route, exchange.outcome, exchange.lane, exchange.waited, exchange.seconds)
        )

    remote = Remote(account.base_url, budget, clock, observer=observe, classify=declaration.classify)
    stack.push_async_callback(remote.aclose)
    connection = Connection(
        name=name,
        account=account,
        remote=remote,
        secret=context.secrets.keys.get(name) or account.api_key.get_secret_value(),
        instance=context.instance,
        memory=memory,
        clock=clock,
        sent_besides=store.batches.sent_besides,
        items_of=store.items.of_batch,
    )
    platform = declaration.connect(connection)
    return ConnectedAccount(name, account, budget, skew, contact, platform, memory)


def connect_webhooks(
    settings: Settings, context: ConnectionContext, group: anyio.abc.TaskGroup, stack: AsyncExitStack
) -> Deliveries:
    """The deliveries of notices; their attempts run in `group`."""
    client = WebhookClient(settings.notify.allow_private)
    stack.push_async_callback(client.aclose)
    fixed = tuple(secret.get_secret_value() for secret in settings.notify.secrets)
    return Deliveries(
        Sender(context.instance, context.secrets.webhooks or (lambda: fixed), webhook_terms(settings)),
        client=client,
        store=context.store,
        clock=context.clock,
        bus=context.bus,
        random=context.random,
        group=group,
    )
