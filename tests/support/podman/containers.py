"""Buildah and Podman with a storage of their own, as they run without systemd and without a registry."""

import os
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import IO

from tools import ROOT, run, tool

BASE = "localhost/base:bookworm"
IMAGE = "localhost/orchestrator:test"

_STORAGE = """[storage]
driver = "{driver}"
runroot = "{folder}/run"
graphroot = "{folder}/graph"
"""
_ENGINE = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@dataclass
class Engine:
    """Images and containers below one folder."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "containers.conf").write_text(_ENGINE)
        self._store_with("overlay")
        # In a container whose own files are an overlay there is no second one: each layer is a full copy then.
        if self.call("podman", "info").returncode != 0:
            self._store_with("vfs")

    def _store_with(self, driver: str) -> None:
        (self.folder / "storage.conf").write_text(_STORAGE.format(driver=driver, folder=self.folder))

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name != "STORAGE_DRIVER"}
        return {
            **inherited,
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
        }

    def call(self, program: str, *arguments: object, stdin: IO[bytes] | None = None) -> CompletedProcess[str]:
        """Run `buildah` or `podman` to its end, whatever its exit code."""
        return run(tool(program), *arguments, env=self.environment, stdin=stdin)

    def do(self, program: str, *arguments: object, stdin: IO[bytes] | None = None) -> str:
        """The same, which has to succeed; returns what it printed."""
        seen = self.call(program, *arguments, stdin=stdin)
        assert seen.returncode == 0, f"{program} {arguments}: {seen.stdout}{seen.stderr}"
        return seen.stdout.strip()

    def make_base(self) -> None:
        """The base image, from Debian's packages; kept where the folder is kept."""
        if self.call("podman", "image", "exists", BASE).returncode == 0:
            return
        tar = self.folder / "base.tar"
        seen = run(
            tool("mmdebstrap"), "--variant=minbase", "--include=python3,python3-venv,ca-certificates",
            "--dpkgopt=path-exclude=/usr/share/doc/*", "bookworm", tar,
        )  # fmt: skip
        assert seen.returncode == 0, seen.stderr
        container = self.do("buildah", "from", "scratch")
        self.do("buildah", "add", "-q", container, tar, "/")
        self.do("buildah", "commit", "-q", container, BASE)
        self.do("buildah", "rm", container)
        tar.unlink()

    def build(self) -> None:
        """The image of this checkout, without a network."""
        deploy = ROOT / "deploy/container"
        wheels = [wheel.stat().st_mtime for wheel in (deploy / "wheels").glob("*.whl")]
        if max(lock.stat().st_mtime for lock in deploy.glob("*.lock")) > max(wheels, default=0.0):
            seen = run(deploy / "fetch-wheels.sh", env={**os.environ, "PYTHON": tool("python3.11")})
            assert seen.returncode == 0, seen.stderr
        self.make_base()
        self.do(
            "buildah", "bud", "--pull-never", "--network=none", "--build-arg", f"BASE={BASE}",
            "--build-arg", "VERSION=0.1.0", "--build-arg", "REVISION=0123abc",
            "--ignorefile", deploy / "Dockerfile.dockerignore", "-f", deploy / "Dockerfile", "-t", IMAGE, ROOT,
        )  # fmt: skip
