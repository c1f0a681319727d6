"""The seam: a platform is known in its own folders, in the registries and in the demo, and nowhere else."""

import ast
from pathlib import Path

import pytest

from orchestrator.platforms.registry import PLATFORMS

PACKAGE = Path(__file__).parents[2] / "orchestrator"
NAMES = sorted(PLATFORMS)
REGISTRIES = {"platforms/registry.py", "simulator/registry.py"}
DEMO = ("cli/showcase/", "cli/demo.py", "cli/simulator.py")


def named(tree, name):
    """The imports and strings of a module that name a platform or what belongs to it; docstrings are prose."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    folders = {f"orchestrator.{room}.{name}" for room in ("platforms", "simulator")}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                found = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(module), names=aliases):
                found = [module, *(f"{module}.{alias.name}" for alias in aliases)]
            case ast.Constant(value=str(text)) if id(node) not in docs:
                if text == name or text.startswith(f"{name}."):
                    yield node.lineno
                continue
            case _:
                continue
        if any(each == folder or each.startswith(f"{folder}.") for each in found for folder in folders):
            yield node.lineno


def elsewhere(name):
    """Every module that is no home of this platform, with its path below the package."""
    homes = (f"platforms/{name}/", f"simulator/{name}/", *DEMO)
    for path in sorted(PACKAGE.rglob("*.py")):
        below = path.relative_to(PACKAGE).as_posix()
        if below not in REGISTRIES and not below.startswith(homes):
            yield below, ast.parse(path.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_no_one_else_knows_a_platform(name):
    """Neither imports it, nor has a string that is its name or begins with it and a dot."""
    found = {below: len(lines) for below, tree in elsewhere(name) if (lines := list(named(tree, name)))}
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "import orchestrator.platforms.ica.platform",
        "from orchestrator.platforms.ica.platform import Ica",
        "from orchestrator.platforms import ica",
        "from orchestrator.simulator.ica import app",
        "x = 'ica'",
        "x = {'kind': 'ica.data_linking'}",
        "match x:\n  case 'ica':\n    pass",
    ],
)
def test_a_name_would_be_found(line):
    """The control: each of these is noticed in a module that may not have it."""
    assert list(named(ast.parse(line), "ica"))


@pytest.mark.parametrize("line", ["'''ica.data_linking'''", "x = 'icaro'", "from orchestrator.platforms import calls"])
def test_what_only_looks_alike_is_no_name(line):
    """Prose, other words and the rooms beside a platform's folder are free."""
    assert not list(named(ast.parse(line), "ica"))


def test_every_platform_has_its_folder():
    """Its name is the folder's name, which is how the test above knows its home."""
    assert all((PACKAGE / "platforms" / name / "declared.py").is_file() for name in PLATFORMS)
