"""The credentials, asked of the platforms by ourselves: for when no daemon runs, and with its lock held meanwhile.

The one request of an account goes through its budget as any of the daemon's would: through the same slot file, so that
it waits for what earlier processes sent, and the next start knows of it.
"""

from collections.abc import Mapping, Sequence
from random import SystemRandom
from types import MappingProxyType

import anyio

from orchestrator.cli.checkup import daemon
from orchestrator.cli.checkup.finding import Finding, ok, warning, wrong
from orchestrator.clock import Clock
from orchestrator.connections import metered
from orchestrator.domain.errors import PlatformError, Refused, SharedUser, Unauthorised, WrongAddress
from orchestrator.domain.units import format_duration
from orchestrator.engine.users import Users
from orchestrator.platforms.budget import Budget
from orchestrator.platforms.calls import Exchange
from orchestrator.platforms.declaration import Connection
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.skew import Skew
from orchestrator.platforms.transport import Remote
from orchestrator.settings import Account, Settings
from orchestrator.settings.state import state_directory
from orchestrator.store.errors import StoreError
from orchestrator.store.store import Store

_PATIENCE = 30.0
"""Seconds for an account: a slot, one token, and two more attempts where the network fails."""
_FORBIDDEN = 403
_NEW_KEY = "put a valid key in place of the account's"

_NEW: Mapping[str, str] = MappingProxyType({})
_USED: Mapping[str, str] = MappingProxyType({"seen": "yes"})
"""What is taken to be remembered of an account where the database cannot be read: that requests were sent, maybe."""


async def ask_all(settings: Settings, clock: Clock) -> list[Finding]:
    """What each account's platform says of its credential. The caller holds the `DaemonLock`."""
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
    """The accounts that act as the same user as one before them."""
    known, found = Users({name: account.base_url for name, account in settings.accounts.items()}), []
    for name in settings.accounts:
        if name in users:
            try:
                known.check(name, users[name])
            except SharedUser as error:
                found.append(wrong("account", name, str(error)))
    return found


def unasked(settings: Settings, reason: str, remedy: str | None) -> list[Finding]:
    """No account was asked for, and why."""
    return [warning("account", name, f"the credential was not checked: {reason}", remedy) for name in settings.accounts]


async def _memories(settings: Settings) -> dict[str, Mapping[str, str]]:
    """What the database remembers of each account: whether it was ever used, among other things."""
    path, state = settings.database.path, state_directory(settings)
    if path is not None and not path.exists():
        return dict.fromkeys(settings.accounts, _NEW)
    try:
        async with Store.opened(settings.database.url, state_directory=state, read_only=True) as store:
            return {name: await store.memory.recall(name) for name in settings.accounts}
    except StoreError:  # told by the check of the database
        return dict.fromkeys(settings.accounts, _USED)


async def _ask(
    name: str, settings: Settings, memory: Mapping[str, str], *, clock: Clock, users: dict[str, str]
) -> Sequence[Finding]:
    account, state = settings.accounts[name], state_directory(settings)
    try:
        with metered(name, account, state=state, memory=memory, clock=clock, random=SystemRandom()) as budget:
            return await _within(name, settings, budget, memory, clock=clock, users=users)
    except OSError as error:
        told = f"{error.filename or 'its slot file'} cannot be used ({error.strerror or error})"
        return [wrong("account", name, told, "give our user the right, or run this as the user of the daemon")]


async def _within(
    name: str, settings: Settings, budget: Budget, memory: Mapping[str, str], *, clock: Clock, users: dict[str, str]
) -> Sequence[Finding]:
    """Ask who we are, within the budget."""
    account = settings.accounts[name]
    if closed := budget.snapshot().closed_for:
        told = f"the credential was not checked: the platform wants no request for {closed:.0f} s"
        return [warning("account", name, told, "look again then")]
    skew, sent = Skew(clock), 0

    def heard(exchange: Exchange) -> None:
        nonlocal sent
        sent += 1
        skew.heard(exchange.server_date)

    finding: Finding | None = None
    declaration = settings.platforms[account.platform]
    connection = Connection(
        name=name,
        account=account,
        remote=Remote(account.base_url, budget, clock, observer=heard, classify=declaration.classify),
        secret=account.api_key.get_secret_value(),
        instance="",
        memory=memory,
        clock=clock,
    )
    platform = declaration.connect(connection)
    try:
        with anyio.move_on_after(_PATIENCE):
            finding = await _credential(name, account, platform, users)
    finally:
        with anyio.CancelScope(shield=True):
            await platform.aclose()
    if finding is None:
        finding = _late(name, account, sent)
    elif finding.result == "ok":
        limit = f"{budget.used} of {budget.limit} requests in {format_duration(budget.window)} used"
        finding = ok("account", name, f"{finding.found}; {limit}")
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
            return daemon.refused(name, str(error), f"{_NEW_KEY}, or see what {account.base_url} permits it")
        return wrong("account", name, str(error), f"see that {account.base_url} is the platform's address (base_url)")
    except PlatformError as error:
        remedy = f"see that {account.base_url} (base_url) can be reached from here, through a proxy if need be"
        return wrong("account", name, str(error), remedy)
    return ok("account", name, f"{account.base_url} accepts the credential")


def _late(name: str, account: Account, sent: int) -> Finding:
    if not sent:
        told = f"the credential was not checked: no request was free within {_PATIENCE:.0f} s, all count as used"
        return warning("account", name, told, "look again once the window is over")
    return wrong(
        "account", name, f"no answer from {account.base_url} within {_PATIENCE:.0f} s", "see that it can be reached"
    )
