"""The documentation names files, links, columns and metrics that exist."""

import re
from pathlib import Path

import pytest

from orchestrator.domain.result_columns import ITEM_COLUMNS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLDERS = {"accepted/", "rejected/", "results/", "queue/results/", "orchestrator/"}
"""Folders of the queue directory, and the one that the paths are relative to."""
PAGES = sorted({*DOCS.rglob("*.md"), *ROOT.glob("*.md")})


def without_code(text):
    """A page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """What a link may name after `#`, as GitHub derives it from the headings."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page, text):
    """The links of a page to files or headings that do not exist."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    """Links between pages name files and headings that exist."""
    assert list(broken_links(page, page.read_text())) == []


def test_a_broken_link_would_be_found():
    """The control: a file and a heading that do not exist."""
    text = "[a](missing.md) [b](states.md#missing) [c](states.md#items) [d](https://example.org/#x)"
    assert list(broken_links(DOCS / "index.md", text)) == ["missing.md", "states.md#missing"]


def test_every_module_of_the_architecture_exists():
    """A module that was moved is named by its new path."""
    page = without_code((DOCS / "architecture.md").read_text())
    named = set(re.findall(r"`([\w.]+(?:/[\w.]+)+\.py|\.\./[\w/.]+|[\w/]+/)`", page)) - FOLDERS
    assert len(named) > 30
    assert [path for path in sorted(named) if not (ROOT / "orchestrator" / path).exists()] == []


def test_every_column_of_the_results_is_described():
    """Each field of an item, which is a column of the CSV, has a row on the page."""
    rows = [line for line in (DOCS / "results.md").read_text().splitlines() if line.startswith("| `")]
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(ITEM_COLUMNS) - described == set()
