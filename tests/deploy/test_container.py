"""The image, built for real: what is in it, what is not, and how it is run."""

import json
import re
from pathlib import Path

import pytest
from containers import IMAGE
from tools import ROOT, run, tool

pytestmark = pytest.mark.xdist_group("image")

DEPLOY = ROOT / "deploy/container"
LARGEST_ARCHIVE = 120_000_000
"""Bytes, compressed."""
PACKAGE_MANAGERS = ("apt", "apt-get", "dpkg", "pip", "pip3", "cpan", "easy_install")


def locked(path):
    """Name and version → the hashes of a lock."""
    found, hashes = {}, set()
    for line in path.read_text().splitlines():
        if match := re.match(r"^([a-z0-9._-]+)==([^ ;]+)", line):
            hashes = found.setdefault((match[1], match[2]), set())
        hashes.update(re.findall(r"sha256:[0-9a-f]{64}", line))
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
