"""Detects accounts that act as the same user: they would share one request limit, so only the first may work."""

from collections.abc import Mapping

from orchestrator.domain.errors import SharedUser


class Users:
    """The user that the platform reports for each account."""

    def __init__(self, base_urls: Mapping[str, str]) -> None:
        """`base_urls`: account → base URL, in the order of the configuration."""
        self._base_urls = {account: url.rstrip("/").lower() for account, url in base_urls.items()}
        self._users: dict[str, str] = {}

    def check(self, account: str, user: str) -> None:
        """Record the user of an account.

        Raises:
            SharedUser: an earlier account of the configuration acts as the same user on this base URL.
        """
        self._users[account] = user
        for other, base_url in self._base_urls.items():
            if other == account:
                return
            if base_url == self._base_urls[account] and self._users.get(other) == user:
                raise SharedUser(shared(account, other, base_url))


def shared(account: str, other: str, base_url: str) -> str:
    """The error message: what is wrong and what to do."""
    return (
        f"its key belongs to the same user of {base_url} as that of account {other}: both would use the same request "
        f"limit and exceed it. Nothing is sent for {account}: give it the key of another user, or "
        f"submit its jobs on {other} and remove it from the configuration"
    )
