"""What the `postgres` overlay relies on, with a real server: the password comes from the file of the Secret."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from processes import free_port
from tools import ROOT, run, tool

OVERLAY = ROOT / "deploy/kubernetes/overlays/postgres"


@pytest.fixture
def server():
    """A server that asks for a password: its folder and its port."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    binaries = found[-1].parent if found else Path(tool("initdb")).parent
    folder, port = Path(tempfile.mkdtemp(prefix="orchestrator-overlay-")), free_port()
    (folder / "password").write_text("correct\n")
    owner = {}
    if os.getuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
        owner = {"user": "postgres", "group": "postgres", "extra_groups": []}

    def control(name, *arguments):
        command = [binaries / name, "-D", folder / "data", *arguments]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **owner)

    control("initdb", "-U", "orchestrator", "-A", "scram-sha-256", f"--pwfile={folder}/password")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    control("pg_ctl", "-o", options, "-l", folder / "log", "-w", "start")
    yield port
    control("pg_ctl", "-m", "immediate", "-w", "stop")
    shutil.rmtree(folder)


@pytest.mark.parametrize(("password", "code"), [("correct", 0), ("wrong", 1)])
def test_the_init_container_finds_the_password(server, tmp_path, password, code):
    """Its own command and configuration, with other addresses; a wrong password is one line, not a traceback."""
    patch = yaml.safe_load((OVERLAY / "upgrade.yaml").read_text())
    (init,) = patch["spec"]["template"]["spec"]["initContainers"]
    config = yaml.safe_load((OVERLAY / "config.yaml").read_text())
    url = config["database"].replace("postgres.example.org/orchestrator", f"127.0.0.1:{server}/postgres")
    assert url != config["database"]
    (tmp_path / "ica_api_key").write_text("key")
    (tmp_path / "server_token").write_text("token-of-the-test")
    config |= {"database": url, "secrets_dir": str(tmp_path), "queue": {"directory": str(tmp_path / "queue")}}
    config["server"]["token_file"] = str(tmp_path / "server_token")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "pg_service.conf").write_text(f"[orchestrator]\npassword={password}\nsslmode=disable\n")
    program = Path(sys.executable).parent / "orchestrator"
    environment = {**os.environ, init["env"][0]["name"]: str(tmp_path / "pg_service.conf")}
    seen = run(program, *init["args"], "--config", tmp_path / "config.yaml", env=environment)
    assert seen.returncode == code, seen.stderr
    assert ("schema" in seen.stdout) == (code == 0)
    assert "Traceback" not in seen.stderr
    assert password not in seen.stdout + seen.stderr
