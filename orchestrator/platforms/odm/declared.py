"""ODM, as the rest of the program sees it."""

from orchestrator.platforms.declaration import Connection, Declaration
from orchestrator.platforms.odm.account import OdmAccount
from orchestrator.platforms.odm.kinds import KINDS
from orchestrator.platforms.platform import Platform


def _connect(connection: Connection) -> Platform:
    from orchestrator.platforms.odm.platform import connect  # noqa: PLC0415 - imported when it is needed

    account = connection.account
    if not isinstance(account, OdmAccount):
        raise TypeError(f"account {connection.name} is on {account.platform}, not on ODM")
    return connect(
        remote=connection.remote,
        secret=connection.secret,
        header=account.header,
        instance=connection.instance,
        clock=connection.clock,
    )


PLATFORM = Declaration(
    name="odm",
    title="Genestack ODM",
    account=OdmAccount,
    kinds=KINDS,
    connect=_connect,
    credential_help="In ODM: the profile page (the user's name, top right), API tokens",
)
