"""The declaration of Illumina Connected Analytics (ICA)."""

from types import MappingProxyType

from orchestrator.platforms.declaration import Connection, Declaration
from orchestrator.platforms.ica.account import BASE_URL, IcaAccount
from orchestrator.platforms.ica.kinds import KINDS
from orchestrator.platforms.ica.protocol.error_classes import classify
from orchestrator.platforms.platform import Platform


def _connect(connection: Connection) -> Platform:
    from orchestrator.platforms.ica.platform import Ica  # noqa: PLC0415 - the adapter is imported when it is needed

    account = connection.account
    if not isinstance(account, IcaAccount):
        raise TypeError(f"account {connection.name} is on {account.platform}, not on ICA")
    return Ica(
        remote=connection.remote,
        api_key=connection.secret,
        account=connection.name,
        instance=connection.instance,
        page_size=account.page_size,
        strategy=account.poll.strategy.value,
        memory=connection.memory,
        clock=connection.clock,
        sent_besides=connection.sent_besides,
    )


PLATFORM = Declaration(
    name="ica",
    title="Illumina Connected Analytics",
    account=IcaAccount,
    kinds=KINDS,
    connect=_connect,
    classify=classify,
    learned=MappingProxyType({"embedded": "unknown"}),
    base_urls=(BASE_URL,),
    credential_help="In ICA: the user menu, Settings, API Keys",
)
