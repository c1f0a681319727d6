"""The components of the running daemon that the server reads."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.domain.model import BatchId
from orchestrator.engine.backups import Backups
from orchestrator.engine.dispatch import Dispatch
from orchestrator.engine.loop import Loop
from orchestrator.engine.outlook.why import AccountNow
from orchestrator.intake.spool import Spool
from orchestrator.platforms.http.clock_skew import Skew
from orchestrator.platforms.rate_limit.limiter import RateLimiter
from orchestrator.settings import Account, Settings
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event
from orchestrator.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """One connected account."""

    name: str
    settings: Account
    budget: RateLimiter
    skew: Skew
    dispatch: Dispatch


def failing_since(account: ShownAccount, clock: Clock, *, least: float) -> Micros | None:
    """Since when no request of an account has succeeded; None while they succeed and for the first `least` seconds."""
    since = account.dispatch.failing_since
    if since is None or account.dispatch.failing_for < least:
        return None
    return clock.now() - round((clock.monotonic() - since) * SECOND)


def account_now(account: ShownAccount, clock: Clock) -> AccountNow:
    """What the daemon knows of an account, for `engine.outlook.why`."""
    dispatch = account.dispatch

    def next_poll(batches: Collection[BatchId]) -> Micros | None:
        due = dispatch.next_poll(batches)
        return None if due is None else clock.now() + round(max(0.0, due - clock.monotonic()) * SECOND)

    return AccountNow(
        budget=account.budget.snapshot(),
        next_poll=next_poll,
        closed_because=dispatch.closed_because,
        refusal=dispatch.refusal,
        closed_since=clock.now() - round(dispatch.refused_for * SECOND) if dispatch.refusal is not None else None,
        latest_request=dispatch.latest_request,
        last_error=dispatch.last_error,
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """The daemon as seen by the server, which only reads it."""

    settings: Settings
    instance: str
    store: Store
    spool: Spool
    loops: Sequence[Loop]
    accounts: Sequence[ShownAccount]
    metrics: Metrics
    clock: Clock
    bus: Bus[Event]
    backups: Backups | None = None
    """None if no backups are scheduled."""

    @property
    def open_items(self) -> Mapping[str, int]:
        """How many items each account may have on the platform, by its name."""
        return {name: account.limits.open_items for name, account in self.settings.accounts.items()}
