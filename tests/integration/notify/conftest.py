"""Deliveries of webhooks on a machine that may be slow."""

import pytest
from waiting import PATIENCE

from orchestrator.notify import client


@pytest.fixture(autouse=True)
def slow_receivers(monkeypatch):
    """A receiver in another thread or task is waited for, however late it runs."""
    for name in ("CONNECT_TIMEOUT", "READ_TIMEOUT"):
        monkeypatch.setattr(client, name, PATIENCE)
    monkeypatch.setattr(client, "TOTAL_TIMEOUT", 10 * PATIENCE)
