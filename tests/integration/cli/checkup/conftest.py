"""A folder on which `doctor` is run."""

import pytest
from checkup import KEY, write_key
from commands import Desk
from waiting import PATIENCE

from orchestrator.cli.checkup import credentials
from orchestrator.platforms.http import transport


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a configuration and a key, and nothing else; a network that fails is asked but once."""
    monkeypatch.setattr(transport, "_REPEATS", 0)
    monkeypatch.setattr(credentials, "_TIMEOUT", PATIENCE)
    desk = Desk(tmp_path)
    write_key(desk, KEY)
    return desk
