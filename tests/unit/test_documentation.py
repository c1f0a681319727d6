"""The documentation names files, links, columns and metrics that exist."""

import itertools
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from documents import batch, item, job

from orchestrator.cli.commands import demo
from orchestrator.cli.showcase.ica_demo import ICA
from orchestrator.cli.showcase.verdict import Verdict
from orchestrator.domain.messages.mistake import Mistake
from orchestrator.domain.result_columns import ITEM_COLUMNS, OUR_COLUMNS
from orchestrator.engine.result_document import describe_batch, describe_item, describe_job
from orchestrator.intake.error_file import as_object
from orchestrator.simulator import FaultKind
from orchestrator.simulator.ica import Config, Simulator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLDERS = {"accepted/", "rejected/", "results/", "queue/results/", "orchestrator/"}
"""Folders of the queue directory, and the one that the paths are relative to."""
ERROR_FILE = ("file", "rejected_at", "dropped_by", "token", "mistakes", "more")
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


def table_below(page, text):
    """The first cells of the table that comes next after this text on a page of the documentation."""
    lines = (DOCS / page).read_text().partition(text)[2].splitlines()
    rows = itertools.takewhile(lambda line: line.startswith("|"), itertools.dropwhile(_is_no_row, lines))
    return [name for row in list(rows)[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def _is_no_row(line):
    return not line.startswith("|")


def test_the_columns_of_the_table_of_results_are_documented_in_their_order():
    """The writer's own list of columns, one row each."""
    assert table_below("results.md", "### JOB.csv") == list(OUR_COLUMNS)


@pytest.mark.parametrize(
    ("above", "described"),
    [
        ("`job`:", describe_job(job())),
        ("`batches`, one", describe_batch(batch(), {})),
        ("## Error files", [*ERROR_FILE, *as_object(Mistake("x"))]),
    ],
)
def test_the_fields_of_results_and_error_files_are_documented_in_their_order(above, described):
    """The objects as they are written, one row a field."""
    assert table_below("results.md", above) == list(described)


def test_the_fields_of_an_item_are_the_columns_and_its_link():
    """So one table describes both."""
    fields = describe_item(item(), lambda _: None)
    assert list(fields) == [*ITEM_COLUMNS, "link"]
    assert set(fields) - set(OUR_COLUMNS) == set()


def test_the_demonstration_in_the_readme_is_what_the_program_prints():
    """Each line of its verdict, in the words of today."""
    shown = re.search(r"^ check\n(.*?)\n\n", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)[1]
    labels = [re.split(r"  +", line.strip())[0] for line in shown.splitlines()]
    faults = Counter(
        [FaultKind(label.removeprefix("fault: ").replace(" ", "_")) for label in labels if "fault" in label]
    )
    simulator = Simulator(Config())
    scene = SimpleNamespace(simulator=simulator, chaos=True, kills=5, faults=faults)
    verdict = Verdict(created=list(ICA.created(simulator)))
    assert sorted(labels) == sorted(label for label, _ in demo._checks(verdict, scene))
