"""The Seven Bridges Platform, as the rest of the program sees it."""

from typing import Final

from orchestrator.platforms.declaration import Connection, Declaration, StatedLimit
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.sevenbridges.account import BASE_URLS, SevenBridgesAccount
from orchestrator.platforms.sevenbridges.classification import classify
from orchestrator.platforms.sevenbridges.kinds import KINDS
from orchestrator.platforms.sevenbridges.profiles import find_credentials

_WINDOW: Final = 300.0
"""Seconds; the platform documents the window, and does not state it."""


def _connect(connection: Connection) -> Platform:
    from orchestrator.platforms.sevenbridges.platform import connect  # noqa: PLC0415 - imported when it is needed

    account = connection.account
    if not isinstance(account, SevenBridgesAccount):
        raise TypeError(f"account {connection.name} is on {account.platform}, not on Seven Bridges")
    return connect(
        remote=connection.remote,
        secret=connection.secret,
        instance=connection.instance,
        page_size=account.page_size,
        clock=connection.clock,
        sent_besides=connection.sent_besides,
        items_of=connection.items_of,
    )


async def _stated_limit(connection: Connection) -> StatedLimit | None:
    from orchestrator.platforms.sevenbridges.session import Session  # noqa: PLC0415 - as above

    limit = await Session(connection.remote, connection.secret, connection.clock).request_limit()
    return StatedLimit(limit, _WINDOW) if limit is not None else None


PLATFORM = Declaration(
    name="sevenbridges",
    title="Seven Bridges",
    account=SevenBridgesAccount,
    kinds=KINDS,
    connect=_connect,
    classify=classify,
    base_urls=BASE_URLS,
    credential_help="On the platform: the Developer tab, Authentication token",
    credential_source=find_credentials,
    stated_limit=_stated_limit,
)
