"""What is shipped: the wheel, on its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_carries_its_migrations(tmp_path):
    """Installed elsewhere, with no checkout in sight, the wheel makes and upgrades a database."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)

    config = {"accounts": {"ica": {"platform": "ica", "api_key_file": "key"}}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    environ = {**os.environ, "PYTHONPATH": str(site)}
    where = [sys.executable, "-c", "import orchestrator; print(orchestrator.__file__)"]
    found = subprocess.run(where, check=True, capture_output=True, text=True, cwd=tmp_path, env=environ).stdout
    assert found.startswith(str(site))
    for words in (("db", "upgrade"), ("db", "check")):
        command = [sys.executable, "-m", "orchestrator", *words, "--config", "config.yaml"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environ)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "state/orchestrator.db").exists()
    pages = Path("orchestrator/web/pages")
    for folder in ("templates", "static"):
        shipped = {path.name for path in (site / pages / folder).iterdir()}
        assert shipped == {path.name for path in (ROOT / pages / folder).iterdir()}
