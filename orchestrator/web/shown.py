"""What the server has to show: the parts of the running daemon that it may look at."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.engine.backups import Backups
from orchestrator.engine.dispatch import Dispatch
from orchestrator.engine.loop import Loop
from orchestrator.intake.spool import Spool
from orchestrator.platforms.budget import Budget
from orchestrator.platforms.skew import Skew
from orchestrator.settings import Account, Settings
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event
from orchestrator.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """One account at work."""

    name: str
    settings: Account
    budget: Budget
    skew: Skew
    dispatch: Dispatch


def failing_since(account: ShownAccount, clock: Clock, *, least: float) -> Micros | None:
    """Since when no request of an account has succeeded; None while they do, and for the first `least` seconds."""
    since = account.dispatch.failing_since
    if since is None or account.dispatch.failing_for < least:
        return None
    return clock.now() - round((clock.monotonic() - since) * SECOND)


@dataclass(frozen=True, slots=True)
class Shown:
    """The daemon, as far as the server looks at it. Nothing here is changed by looking."""

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
    """None when none are scheduled."""
