"""The benchmarks, at sizes that take seconds: they follow the code, and reach their end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SMALL = {
    "page": ("--rounds", "1"),
    "idle": ("--items", "20", "--longest", "30"),
    "sessions": ("--items", "10"),
    "small_files": ("--files", "20"),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_reaches_its_end(name, tmp_path):
    """It writes its figures; nothing is said of them here."""
    environ = {**os.environ, "BENCHMARK_RESULTS": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *SMALL[name]],
        cwd=PROJECT,
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / f"{name}.json").read_text())["benchmark"] == name
