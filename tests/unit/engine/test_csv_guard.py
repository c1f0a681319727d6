"""Cells of a result's table that a spreadsheet would run."""

import pytest

from orchestrator.domain.messages.printable import printable
from orchestrator.domain.result_columns import guarded
from orchestrator.engine.result_document import _safe

RUNS = [
    "=1",
    "  =1",
    "\u00a0=1",
    "\u200b=1",
    "\uff1d1",
    "\uff0bA1",
    " \uff20x",
    "@x",
    "+cmd",
    "-1+cmd",
    "\t5",
    "\x01x",
    "\x1f=1",
]
STAYS = ["-5", "+", "-", "1e5", "abc", " a", "fil.1", "", 5, None]


@pytest.mark.parametrize("cell", RUNS)
def test_what_begins_like_a_formula_is_quoted(cell):
    """Also behind blanks and what is not shown, in full width, and behind a control character, which is escaped."""
    assert guarded(cell) == f"'{cell}"
    assert _safe(cell) == "'" + printable(cell, keep="\t")


@pytest.mark.parametrize("cell", STAYS)
def test_what_does_not_stays(cell):
    """Signed numbers, a strand, ordinary text."""
    assert _safe(cell) == cell
