"""The `postgres` overlay with a real server: the password from the Secret, the init container, a kill, a start."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from pods import Pod, beside_a_platform, links
from processes import free_port, until
from tools import ROOT, run, tool

pytestmark = pytest.mark.xdist_group("image")

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
    control("pg_ctl", "-o", options, "-l", folder / "log", "-w", "-t", "600", "start")
    yield port
    control("pg_ctl", "-m", "immediate", "-w", "-t", "600", "stop")
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


@pytest.fixture
def pod(engine, server, tmp_path):
    """The pod of the overlay beside the server, not started yet; as root, or it cannot be run."""
    service = "[orchestrator]\npassword=correct\nsslmode=disable\n"
    found = Pod(engine, tmp_path / "pod", "postgres", **{"pg_service.conf": service})
    url = found.config["database"]
    found.config["database"] = url.replace("postgres.example.org/orchestrator", f"127.0.0.1:{server}/postgres")
    assert found.config["database"] != url
    with beside_a_platform(found):
        yield found


def test_the_pod_upgrades_the_schema_works_is_killed_and_goes_on(pod):
    """The daemon does not start on an empty database: that it is ready shows that the init container ran before it."""
    pod.start_until_ready()
    pod.copy_in("first.json", links("first", "fil.1", "fil.2"))
    until(lambda: pod.settled("first"))
    pod.copy_in("second.json", links("second", *(f"fil.{number}" for number in range(100, 400))))
    until(lambda: pod.settled("second") is None)
    pod.kill()

    pod.start_until_ready()
    assert pod.settled("first")
    until(lambda: pod.settled("second"))
    assert not list((pod.folder / "data").glob("**/*.db")), "all that is stored is on the server"
    assert pod.stop() == 0


def test_without_its_init_container_the_daemon_refuses_an_empty_database(pod):
    """With exit code 1 and the command that helps: the overlay is what runs it."""
    del pod.spec["initContainers"]
    pod.spec["restartPolicy"] = "Never"
    pod.start()
    assert pod.ended() == 1
    assert "orchestrator db upgrade" in pod.logs()
