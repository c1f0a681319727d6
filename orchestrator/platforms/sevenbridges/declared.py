"""The Seven Bridges Platform, as the rest of the program sees it."""

from orchestrator.platforms.declaration import Connection, Declaration
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.sevenbridges.account import BASE_URLS, SevenBridgesAccount
from orchestrator.platforms.sevenbridges.classification import classify
from orchestrator.platforms.sevenbridges.kinds import KINDS
from orchestrator.platforms.sevenbridges.profiles import find_credentials


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
    )


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
)
