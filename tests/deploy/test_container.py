"""The image, built and run for real: what is in it, what is not, and how it behaves as a container and as a pod."""

import json
import os
import re
import sys
import urllib.error
from pathlib import Path

import pytest
import yaml
from containers import IMAGE, Engine
from processes import free_port, get, running, until
from tools import ROOT, run, tool

DEPLOY = ROOT / "deploy/container"
LARGEST_ARCHIVE = 120_000_000
"""Bytes, compressed."""
PACKAGE_MANAGERS = ("apt", "apt-get", "dpkg", "pip", "pip3", "cpan", "easy_install")
TOKEN = "token-of-the-test"
PROJECT = "11111111-1111-1111-1111-111111111111"


def locked(path):
    """Name and version → the hashes of a lock."""
    found, hashes = {}, set()
    for line in path.read_text().splitlines():
        if match := re.match(r"^([a-z0-9._-]+)==([^ ;]+)", line):
            hashes = found.setdefault((match[1], match[2]), set())
        hashes.update(re.findall(r"sha256:[0-9a-f]{64}", line))
    return found


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """An engine that has the image; DEPLOY_STORAGE keeps its storage from run to run."""
    kept = os.environ.get("DEPLOY_STORAGE")
    found = Engine(Path(kept) if kept else tmp_path_factory.mktemp("containers"))
    found.build()
    return found


@pytest.fixture(scope="module")
def inside(engine):
    """The file system of the image."""
    container = engine.do("buildah", "from", "--pull-never", IMAGE)
    yield Path(engine.do("buildah", "mount", container))
    engine.do("buildah", "umount", container)
    engine.do("buildah", "rm", container)


# ---------------------------------------------------------------- the files that it is built from


def test_the_dockerfile_passes_hadolint():
    """Without a finding."""
    seen = run(tool("hadolint"), DEPLOY / "Dockerfile")
    assert (seen.returncode, seen.stdout) == (0, "")


@pytest.mark.parametrize("lock", ["runtime.lock", "build.lock"])
def test_the_image_installs_what_was_tested(lock):
    """Every version that the tests run with too is the same, by the same hashes; each has one."""
    tested, image = locked(ROOT / "requirements.lock"), locked(DEPLOY / lock)
    assert all(image.values())
    versions = dict(tested)
    for name, version in image:
        others = {each for each in versions if each[0] == name}
        assert not others or (name, version) in others
        assert not others or image[name, version] == tested[name, version]
    if lock == "runtime.lock":
        assert image.keys() <= tested.keys()


# ---------------------------------------------------------------- the image


def test_the_image_says_how_it_is_run(engine):
    """A numeric user, the signal of a stop, the program without a shell, and the labels."""
    (found,) = json.loads(engine.do("podman", "image", "inspect", IMAGE))
    config = found["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["/opt/orchestrator/bin/orchestrator"]
    assert config["Volumes"] == {"/var/lib/orchestrator": {}}
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert (labels["version"], labels["revision"], labels["licenses"]) == ("0.1.0", "0123abc", "Apache-2.0")


def test_the_archive_is_small(engine, tmp_path):
    """As it is pushed to a registry."""
    engine.do("buildah", "push", "-q", IMAGE, f"oci-archive:{tmp_path}/image.tar")
    assert (tmp_path / "image.tar").stat().st_size <= LARGEST_ARCHIVE


def test_no_package_manager_is_left(inside):
    """Neither as a program nor as a module of Python."""
    places = [inside / "usr/bin", inside / "usr/sbin", inside / "opt/orchestrator/bin"]
    assert [place / name for place in places for name in PACKAGE_MANAGERS if (place / name).exists()] == []
    modules = [
        *inside.glob("usr/lib/python3*/ensurepip"),
        *inside.glob("**/site-packages/pip"),
        *inside.glob("**/dist-packages/pip"),
    ]
    assert modules == []


def test_the_bill_of_materials_lies_in_the_image(inside):
    """Python's part as CycloneDX, of the lock; Debian's as dpkg lists it."""
    bill = json.loads((inside / "usr/share/sbom/python.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert {(each["name"], each["version"]) for each in bill["components"]} == set(locked(DEPLOY / "runtime.lock"))
    packages = {line.split("\t")[0] for line in (inside / "usr/share/sbom/dpkg.tsv").read_text().splitlines()}
    assert {"libc6", "python3", "ca-certificates", "openssl"} <= packages
    assert packages.isdisjoint({"apt", "python3-venv", "perl"})


# ---------------------------------------------------------------- the sqlite overlay as a pod


class Pod:
    """The pod of an overlay on this machine's network, with its own configuration as far as addresses go."""

    def __init__(self, engine, folder):
        self.engine, self.folder = engine, folder
        self.port, self.platform = free_port(), free_port()
        for name in ("data", "config", "secrets"):
            (folder / name).mkdir()
        os.chown(folder / "data", 10001, 10001)
        for name, secret in (("ica_api_key", "simulator"), ("server_token", TOKEN)):
            (folder / "secrets" / name).write_text(secret)
            os.chown(folder / "secrets" / name, 0, 10001)
            (folder / "secrets" / name).chmod(0o440)
        documents = list(
            yaml.safe_load_all(run(tool("kubectl"), "kustomize", ROOT / "deploy/kubernetes/overlays/sqlite").stdout)
        )
        kinds = {each["kind"]: each for each in documents}
        config = yaml.safe_load(kinds["ConfigMap"]["data"]["config.yaml"])
        config["server"]["listen"] = f"127.0.0.1:{self.port}"
        config["instance"] = "pod"
        config["accounts"]["ica"]["base_url"] = f"http://127.0.0.1:{self.platform}/ica/rest"
        (folder / "config/config.yaml").write_text(json.dumps(config))
        self.spec = kinds["StatefulSet"]["spec"]["template"]["spec"]
        self.container = "orchestrator-orchestrator"

    def manifest(self):
        """What `podman play kube` takes of it: volumes of this machine, no names of ports, probes run by the test."""
        spec = {key: self.spec[key] for key in ("securityContext", "terminationGracePeriodSeconds")}
        (main,) = self.spec["containers"]
        kept = ("name", "args", "resources", "securityContext", "volumeMounts")
        spec["containers"] = [{**{key: main[key] for key in kept}, "image": IMAGE}]
        spec["volumes"] = [
            {"name": name, "hostPath": {"path": str(self.folder / name), "type": "Directory"}}
            for name in ("data", "config", "secrets")
        ] + [{"name": "tmp", "emptyDir": {}}]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "orchestrator"}, "spec": spec}

    def start(self):
        (self.folder / "pod.yaml").write_text(yaml.safe_dump(self.manifest()))
        self.engine.do("podman", "play", "kube", "--network=host", self.folder / "pod.yaml")

    def remove(self):
        self.engine.call("podman", "pod", "rm", "-f", "-t", "0", "orchestrator")

    def probe(self, kind):
        """Whether the container's own probe of this kind succeeds now."""
        path = self.spec["containers"][0][f"{kind}Probe"]["httpGet"]["path"]
        try:
            return bool(get(f"http://127.0.0.1:{self.port}{path}"))
        except OSError:
            return False

    def ask(self, path):
        return get(f"http://127.0.0.1:{self.port}{path}", TOKEN)

    def inspect(self):
        (found,) = json.loads(self.engine.do("podman", "inspect", self.container))
        return found


@pytest.fixture
def pod(engine, tmp_path):
    """The pod, running and ready, beside a simulated platform."""
    found = Pod(engine, tmp_path)
    program = Path(sys.executable).parent / "orchestrator"
    with running(tmp_path, program, "simulator", "--port", str(found.platform)):
        found.start()
        try:
            for kind in ("startup", "liveness", "readiness"):
                until(lambda kind=kind: found.probe(kind))
            yield found
        finally:
            found.remove()


def job(name, *ids):
    """A queue file with one linking job."""
    given = {"name": name, "kind": "ica.data_linking", "account": "ica", "project": PROJECT}
    return json.dumps({"version": 1, "jobs": [{**given, "items": [{"dataId": each} for each in ids]}]})


def drop(pod, name, text):
    """Into the queue as `kubectl cp` and `kubectl exec … mv` do it."""
    draft = pod.folder / name
    draft.write_text(text)
    draft.chmod(0o644)
    queue = "/var/lib/orchestrator/queue/incoming"
    pod.engine.do("podman", "cp", draft, f"{pod.container}:{queue}/.{name}.tmp")
    pod.engine.do("podman", "exec", pod.container, "mv", f"{queue}/.{name}.tmp", f"{queue}/{name}")


def settled(pod, name):
    return json.loads(pod.ask(f"/api/v1/jobs/{name}"))["job"]["settled_at"]


def test_the_pod_works_is_killed_and_goes_on_with_the_same_volume(pod):
    """With its own user, a read-only root, no capability, its memory limit and its probes."""
    found = pod.inspect()
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["EffectiveCaps"] in (None, [])
    assert found["HostConfig"]["Memory"] == 512 * 1024**2
    assert pod.engine.do("podman", "exec", pod.container, "id", "-u") == "10001"
    assert pod.engine.call("podman", "exec", pod.container, "touch", "/opt/x").returncode != 0

    drop(pod, "first.json", job("first", "fil.1", "fil.2"))
    until(lambda: settled(pod, "first"))
    drop(pod, "second.json", job("second", *(f"fil.{number}" for number in range(100, 400))))
    until(lambda: json.loads(pod.ask("/api/v1/jobs/second"))["job"])
    pod.engine.do("podman", "kill", "-s", "KILL", pod.container)
    pod.remove()

    pod.start()
    until(lambda: pod.probe("readiness"))
    assert settled(pod, "first")
    for name in ("first.json", "second.json"):
        until((pod.folder / "data/queue/results" / name).exists)
    copies = list((pod.folder / "data/backups").glob("orchestrator-*.db"))
    assert len(copies) == 1

    pod.engine.do("podman", "stop", "-t", pod.spec["terminationGracePeriodSeconds"], pod.container)
    assert pod.inspect()["State"]["ExitCode"] == 0


def test_what_lies_beyond_the_probes_needs_the_token(pod):
    """Probes are answered to anybody; `/metrics` to who shows the server token, as the ServiceMonitor does."""
    assert b"orchestrator_build_info" in pod.ask("/metrics")
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(f"http://127.0.0.1:{pod.port}/metrics", "another")
    assert caught.value.code == 401
