"""Programs that the deployment tests need, and how they are run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv-deploy/bin"
"""Where `make test-deploy` installs linters that pin their own dependencies."""
NODE_TOOLS = ROOT / ".venv-deploy/node_modules/.bin"
"""Where it installs programs from npm."""


def tool(name: str) -> str:
    """The path of a program; in CI it has to be there."""
    path = shutil.which(name, path=f"{TOOLS}:{NODE_TOOLS}:{os.environ['PATH']}:/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing: .ci/run has to install it")
        pytest.skip(f"needs {name}")
    return path


def run(*command: object, **more: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit code."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [str(part) for part in command], capture_output=True, text=True, timeout=600, check=False, **more
    )
