"""The document of `GET /api/v1/accounts` and `accounts --json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator import __version__
from orchestrator.clock import Micros
from orchestrator.domain.units import rfc3339
from orchestrator.platforms.declaration import Declaration
from orchestrator.platforms.rate_limit.limiter import LimiterView
from orchestrator.platforms.rate_limit.window import Limit
from orchestrator.settings import Account, Settings
from orchestrator.store.store import Store


@dataclass(frozen=True, slots=True)
class Live:
    """The state of an account in the running daemon."""

    budget: LimiterView
    refusal: str | None
    """Why the platform refuses the credential; None while it accepts it."""
    error: str | None = None
    """The last error of a poll, a submission or an abort that keeps failing."""
    closed_because: str | None = None
    """`credential`, `address` or `user`; None while it is open."""
    failing_since: Micros | None = None
    """Since when no request has succeeded; None while they succeed."""
    skew: float | None = None
    """Seconds by which this machine's clock is ahead of the platform's; None before the first answer with a date."""


async def describe_accounts(
    settings: Settings, store: Store, *, instance: str | None = None, live: Mapping[str, Live] | None = None
) -> dict[str, Any]:
    """Build the document; without a daemon, `daemon` and the fields that only it knows are null."""
    daemon = None
    if live is not None:
        daemon = {"version": __version__, "instance": instance, "database": str(settings.database)}
    described = [
        _describe(name, account, (live or {}).get(name))
        | {"learned": _learned(settings.platforms[account.platform], await store.memory.recall(name))}
        | {"paused": await store.memory.paused(name)}
        | {"open_items": {"limit": account.limits.open_items, "used": await store.batches.open_items(name)}}
        for name, account in settings.accounts.items()
    ]
    return {"daemon": daemon, "accounts": described}


def _describe(name: str, account: Account, live: Live | None) -> dict[str, Any]:
    return {
        "name": name,
        "platform": account.platform,
        "base_url": account.base_url,
        "closed": live.refusal is not None if live else None,
        "closed_because": live.closed_because if live else None,
        "detail": live.refusal if live else None,
        "failing_since": rfc3339(live.failing_since) if live and live.failing_since is not None else None,
        "last_error": live.error if live else None,
        "clock_skew_seconds": round(live.skew, 1) if live and live.skew is not None else None,
        "budget": _describe_budget(account, live.budget if live else None),
    }


def _learned(declaration: Declaration, memory: Mapping[str, str]) -> dict[str, str]:
    return {name: memory.get(name, before) for name, before in declaration.learned.items()}


def _describe_budget(account: Account, view: LimiterView | None) -> dict[str, Any]:
    configured = account.budget
    limit = Limit(configured.requests, configured.per, configured.use_at_most)
    return {
        "limit": limit.slots,
        "per_seconds": limit.per,
        "used": view.used if view else None,
        "free": view.free if view else None,
        "closed_for_seconds": round(view.closed_for, 3) if view else None,
        "waiting": {lane.value: held.waiting for lane, held in view.lanes.items()} if view else None,
    }
