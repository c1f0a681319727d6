"""Two accounts whose keys belong to one user share one budget on the platform: only the first of them may work."""

from collections.abc import Mapping

from orchestrator.domain.errors import SharedUser


class Users:
    """Who each account is taken for, by the platforms."""

    def __init__(self, base_urls: Mapping[str, str]) -> None:
        """`base_urls`: by account, in the order of the configuration."""
        self._base_urls = {account: url.rstrip("/").lower() for account, url in base_urls.items()}
        self._users: dict[str, str] = {}

    def check(self, account: str, user: str) -> None:
        """Note the user of an account.

        Raises:
            SharedUser: an account that comes before it in the configuration acts as the same user on this base URL.
        """
        self._users[account] = user
        for other, base_url in self._base_urls.items():
            if other == account:
                return
            if base_url == self._base_urls[account] and self._users.get(other) == user:
                raise SharedUser(shared(account, other, base_url))


def shared(account: str, other: str, base_url: str) -> str:
    """What is wrong, and what to do."""
    return (
        f"its key belongs to the same user of {base_url} as that of account {other}: both would spend one request "
        f"budget without knowing of each other. Nothing is sent for {account}: give it the key of another user, or "
        f"submit its jobs on {other} and remove it from the configuration"
    )
