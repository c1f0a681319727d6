"""`accounts`: what stands between an account and its work can be read from it."""

import anyio
import pytest
from commands import NOW, Desk

from orchestrator.cli.commands import accounts


@pytest.fixture
def desk(tmp_path):
    """A folder with a configuration and an empty database."""
    desk = Desk(tmp_path)
    desk.fill()
    return desk


def test_a_paused_account_says_so(desk):
    """Below the table, with the command that ends it, also without a daemon."""

    async def pause():
        async with desk.store() as store:
            await store.advance.pause(account="ica", now=NOW, user="root")

    anyio.run(pause)
    lines = desk.run("accounts").out.splitlines()
    line = "account ica is paused by root at 2023-11-14T22:13:20Z: `orchestrator resume --account ica` continues it"
    assert line in lines


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "accepted"),
        ({"clock_skew_seconds": None}, "not checked yet"),
        ({"closed": True, "detail": "401"}, "closed: 401"),
        ({"closed": None}, "-"),
    ],
)
def test_a_credential_is_accepted_once_the_platform_has_answered(desk, monkeypatch, changes, word):
    """Before the first answer nobody knows."""
    budget = {"limit": 1000, "per_seconds": 300.0, "used": 1}
    account = {"name": "ica", "platform": "ica", "budget": budget, "closed": False, "clock_skew_seconds": 0.1}
    monkeypatch.setattr(accounts, "from_daemon", lambda _: {"daemon": {}, "accounts": [account | changes]})
    assert desk.run("accounts").out.splitlines()[1].endswith(f"  {word}")
