"""Checks the credentials with one request to each platform, while no daemon runs and with its lock held.

The request uses the account's budget like any of the daemon's: it goes through the same slot file, so it waits for the
requests of earlier processes and is counted by the next start.
"""

from collections.abc import Mapping, Sequence
from random import SystemRandom
from types import MappingProxyType

import anyio

from orchestrator.cli.checkup import daemon
from orchestrator.cli.checkup.finding import Finding, ok, warning, wrong
from orchestrator.clock import Clock
from orchestrator.connections import open_rate_limiter
from orchestrator.domain.errors import PlatformError, Refused, SharedUser, Unauthorised, WrongAddress
from orchestrator.domain.units import format_duration
from orchestrator.engine.shared_users import Users
from orchestrator.platforms.declaration import Connection, StatedLimit
from orchestrator.platforms.http.calls import Exchange
from orchestrator.platforms.http.clock_skew import Skew
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.rate_limit.limiter import RateLimiter
from orchestrator.settings import Account, Settings
from orchestrator.settings.state import state_directory
from orchestrator.store.errors import StoreError
from orchestrator.store.store import Store

_TIMEOUT = 30.0
"""Seconds for one account: waiting for a slot, getting a token, and two more attempts after network errors."""
_FORBIDDEN = 403
_NEW_KEY = "replace the account's key with a valid one"

_NEW: Mapping[str, str] = MappingProxyType({})
_USED: Mapping[str, str] = MappingProxyType({"seen": "yes"})
"""What is assumed of an account if the database cannot be read: requests may have been sent."""


async def ask_all(settings: Settings, clock: Clock) -> list[Finding]:
    """Check every account's credential with its platform. The caller holds the `DaemonLock`."""
    memories = await _memories(settings)
    found: dict[str, Sequence[Finding]] = {}
    users: dict[str, str] = {}

    async def ask(name: str) -> None:
        found[name] = await _ask(name, settings, memories[name], clock=clock, users=users)

    async with anyio.create_task_group() as group:
        for name, account in settings.accounts.items():
            if account.api_key.get_secret_value():
                group.start_soon(ask, name)
            else:
                found[name] = [warning("account", name, "the credential was not checked: it cannot be read")]
    return [finding for name in settings.accounts for finding in found[name]] + _shared(settings, users)


def _shared(settings: Settings, users: Mapping[str, str]) -> list[Finding]:
    """Report each account that has the same user as an earlier one."""
    known, found = Users({name: account.base_url for name, account in settings.accounts.items()}), []
    for name in settings.accounts:
        if name in users:
            try:
                known.check(name, users[name])
            except SharedUser as error:
                found.append(wrong("account", name, str(error)))
    return found


def unasked(settings: Settings, reason: str, remedy: str | None) -> list[Finding]:
    """Report that no credential was checked, and why."""
    return [warning("account", name, f"the credential was not checked: {reason}", remedy) for name in settings.accounts]


async def _memories(settings: Settings) -> dict[str, Mapping[str, str]]:
    """What the database stores about each account, such as whether it was ever used."""
    path, state = settings.database.path, state_directory(settings)
    if path is not None and not path.exists():
        return dict.fromkeys(settings.accounts, _NEW)
    try:
        async with Store.opened(settings.database.url, state_directory=state, read_only=True) as store:
            return {name: await store.memory.recall(name) for name in settings.accounts}
    except StoreError:  # reported by the check of the database
        return dict.fromkeys(settings.accounts, _USED)


async def _ask(
    name: str, settings: Settings, memory: Mapping[str, str], *, clock: Clock, users: dict[str, str]
) -> Sequence[Finding]:
    account, state = settings.accounts[name], state_directory(settings)
    try:
        with open_rate_limiter(name, account, state=state, memory=memory, clock=clock, random=SystemRandom()) as budget:
            return await _check(name, settings, budget, memory, clock=clock, users=users)
    except OSError as error:
        text = f"{error.filename or 'its slot file'} cannot be used ({error.strerror or error})"
        return [wrong("account", name, text, "grant this user access, or run this command as the daemon's user")]


async def _check(
    name: str,
    settings: Settings,
    budget: RateLimiter,
    memory: Mapping[str, str],
    *,
    clock: Clock,
    users: dict[str, str],
) -> Sequence[Finding]:
    """Ask the platform for the user of the credential, within the budget."""
    account = settings.accounts[name]
    if closed := budget.snapshot().closed_for:
        text = f"the credential was not checked: the platform accepts no requests for {closed:.0f} s"
        return [warning("account", name, text, "run this command again afterwards")]
    skew, sent = Skew(clock), 0

    def observe(exchange: Exchange) -> None:
        nonlocal sent
        sent += 1
        skew.heard(exchange.server_date)

    finding: Finding | None = None
    declaration = settings.platforms[account.platform]
    connection = Connection(
        name=name,
        account=account,
        remote=Remote(account.base_url, budget, clock, observer=observe, classify=declaration.classify),
        secret=account.api_key.get_secret_value(),
        instance="",
        memory=memory,
        clock=clock,
    )
    platform = declaration.connect(connection)
    try:
        with anyio.move_on_after(_TIMEOUT):
            finding = await _credential(name, account, platform, users)
            if finding.result == "ok" and declaration.stated_limit is not None:
                limit = await declaration.stated_limit(connection)
                if limit is not None and budget.limit / budget.window > limit.requests / limit.per:
                    return [_too_large(name, budget, limit)]
    except PlatformError as error:
        finding = warning("account", name, f"the platform's request limit could not be read: {error}")
    finally:
        with anyio.CancelScope(shield=True):
            await platform.aclose()
    if finding is None:
        finding = _timed_out(name, account, sent)
    elif finding.result == "ok":
        used = f"{budget.used} of {budget.limit} requests in {format_duration(budget.window)} used"
        finding = ok("account", name, f"{finding.found}; {used}")
    return [finding, daemon.clock(name, skew.seconds)] if skew.known else [finding]


async def _credential(name: str, account: Account, platform: Platform, users: dict[str, str]) -> Finding:
    try:
        users[name] = await platform.user()
    except WrongAddress as error:
        return wrong("account", name, str(error))
    except Unauthorised as error:
        return daemon.refused(name, str(error), _NEW_KEY)
    except Refused as error:
        if error.status == _FORBIDDEN:
            return daemon.refused(name, str(error), f"{_NEW_KEY}, or check its permissions on {account.base_url}")
        return wrong("account", name, str(error), f"check that {account.base_url} is the platform's address (base_url)")
    except PlatformError as error:
        remedy = (
            f"check that {account.base_url} (base_url) can be reached from this machine, through a proxy if necessary"
        )
        return wrong("account", name, str(error), remedy)
    return ok("account", name, f"{account.base_url} accepts the credential")


def _too_large(name: str, budget: RateLimiter, limit: StatedLimit) -> Finding:
    stated, window = f"{limit.requests} requests in {format_duration(limit.per)}", format_duration(budget.window)
    text = f"the budget is {budget.limit} requests in {window}, and the platform takes {stated} from this user"
    remedy = f"set `budget: {{requests: {limit.requests}, per: {limit.per:g}s}}`, or less where others use the token"
    return warning("account", name, text, remedy)


def _timed_out(name: str, account: Account, sent: int) -> Finding:
    if not sent:
        text = f"the credential was not checked: the request budget was used up for {_TIMEOUT:.0f} s"
        return warning("account", name, text, "run this command again when the window has ended")
    return wrong(
        "account", name, f"no answer from {account.base_url} within {_TIMEOUT:.0f} s", "check that it can be reached"
    )
