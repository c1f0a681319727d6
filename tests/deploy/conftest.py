"""What the tests of the installation share: one image for all of them."""

import os
from pathlib import Path

import pytest
from containers import Engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """An engine that has the image; DEPLOY_STORAGE keeps its storage from run to run."""
    kept = os.environ.get("DEPLOY_STORAGE")
    found = Engine(Path(kept) if kept else tmp_path_factory.mktemp("containers"))
    found.build()
    return found
