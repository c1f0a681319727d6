"""docs/simulator.md has every word, knob, fault and quirk of the simulated platforms, and no other."""

import dataclasses
import importlib
import itertools
import re
from pathlib import Path

import pytest

from orchestrator.simulator.faults import Fault, FaultKind
from orchestrator.simulator.registry import PLATFORMS

PAGE = (Path(__file__).parents[2] / "docs/simulator.md").read_text()


def rows_below(text):
    """The cells of the table that comes next after this text."""
    assert text in PAGE, f"docs/simulator.md needs {text!r} and a table below it"
    lines = PAGE.partition(text)[2].splitlines()
    rows = itertools.takewhile(
        lambda line: line.startswith("|"), itertools.dropwhile(lambda line: not line.startswith("|"), lines)
    )
    return [[cell.strip() for cell in re.split(r"\|", row)[1:-1]] for row in list(rows)[2:]]


def written(value):
    """A default as the page has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_knob_is_listed_with_its_default(name):
    """In the order of the code."""
    knobs = importlib.import_module(f"orchestrator.simulator.{name}.knobs").Knobs
    listed = [(knob.strip("`"), default) for knob, default, _ in rows_below(f"### Knobs of `{name}`")]
    assert listed == [(knob.name, written(knob.default)) for knob in dataclasses.fields(knobs)]


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_quirk_is_listed(name):
    """What only this platform does."""
    quirks = importlib.import_module(f"orchestrator.simulator.{name}.quirks").QUIRKS
    assert {quirk.strip("`") for quirk, _ in rows_below(f"### Quirks of `{name}`")} == quirks


def test_every_fault_is_listed_with_its_fields():
    """Kinds, and what a rule may say."""
    kinds = [kind for names, _ in rows_below("A *fault* names") for kind in re.findall(r"`(\w+)`", names)]
    assert kinds == [kind.value for kind in FaultKind]
    fields = [name.strip("`") for name, _, _ in rows_below("### Fields of a fault")]
    assert fields == [field.name for field in dataclasses.fields(Fault)]


@pytest.mark.parametrize(
    ("above", "module"),
    [
        ("On the simulated ICA", "orchestrator.simulator.ica.work.outcomes"),
        ("On the simulated Seven Bridges", "orchestrator.simulator.sevenbridges.work.naming"),
        ("On the simulated ODM", "orchestrator.simulator.odm.work.naming"),
    ],
)
def test_every_word_that_decides_an_outcome_is_listed(above, module):
    """Those that name an outcome, and those that go with any."""
    outcomes = {outcome.value for outcome in importlib.import_module(module).Outcome} - {"succeed"}
    words = {word.strip("`") for word, *_ in rows_below(above)} - {"(none)"}
    assert words - outcomes <= {"slow", "never"}
    assert outcomes - words == set()
