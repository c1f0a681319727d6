"""Queue files for ODM, from their bytes to a report."""

import json
import re
from pathlib import Path

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check

ACCOUNTS = {"odm": AccountLimits("odm", 5000, requests=300, page_size=1)}
DOC = Path(__file__).parents[2] / "docs/queue-files.md"
LINK = "https://bucket.example.org/run-0172/s1.tsv"


async def mistakes(path):
    with await check(path, ACCOUNTS) as report:
        return [str(mistake) for mistake in report.mistakes]


async def mistakes_of(tmp_path, kind, *items, **job):
    """The mistakes of a file with one job of these items."""
    asked = {"name": "a", "kind": f"odm.{kind}", "account": "odm", "items": list(items)}
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [asked | job]}))
    return await mistakes(tmp_path / "a.json")


async def test_the_example_of_the_documentation_has_no_mistakes(tmp_path):
    """With the table that it names."""
    section = DOC.read_text().partition("## A study in ODM")[2]
    (tmp_path / "odm.yaml").write_text(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1])
    (tmp_path / "counts.csv").write_text("path\nrun-0172/a.gct\nrun-0172/b.gct\n")
    assert await mistakes(tmp_path / "odm.yaml") == []


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("publish", {"study": "GSF123456"}),
        ("publish", {"study": "all", "versionMessage": "Nacht 7, grün"}),
        ("task", {"id": "GSF123456"}),
        ("import", {"type": "study", "metadataLink": LINK}),
        ("import", {"type": "samples", "metadataLink": LINK, "templateId": "GSF1"}),
        ("import", {"type": "libraries", "metadataLink": LINK, "new_field": {"a": 1}}),
        ("import", {"type": "preparations", "metadataLink": LINK}),
        ("import", {"type": "expression", "dataLink": LINK, "numberOfFeatureAttributes": 5}),
        ("import", {"type": "variant", "dataLink": LINK, "metadataLink": f"{LINK}2", "previousVersion": "GSF1"}),
        ("import", {"type": "flow-cytometry", "dataLink": LINK, "source": "HTTP"}),
        ("import", {"type": "cells", "dataLink": LINK}),
        ("import", {"type": "file", "dataLink": LINK, "studyAccession": "GSF1", "dataClass": "Document"}),
    ],
)
async def test_the_platforms_own_objects_pass(tmp_path, kind, item):
    """Of each type; fields that we do not know pass too."""
    assert await mistakes_of(tmp_path, kind, item) == []


@pytest.mark.parametrize(
    ("kind", "item", "text"),
    [
        ("publish", {"study": "My study"}, "is no accession, such as GSF123456"),
        ("publish", {"study": "ALL"}, "write it as `all`"),
        ("publish", {"study": "GSF1", "versionMessage": "x" * 201}, "may have 200"),
        ("publish", {}, "`study` is missing"),
        ("publish", {"study": "GSF1", "versionmessage": "x"}, "belongs here - did you mean `versionMessage`?"),
        ("task", {"id": "GSF1", "name": "x"}, "`name` is not a key that belongs here"),
        ("task", {"id": "a/b"}, "is no accession"),
        ("task", {"id": "NA"}, "'NA' stands for a missing value"),
        ("publish", {"study": "samples.tsv"}, "is the name of a file, and its id is needed"),
        ("publish", {"study": "GSF1\u200b"}, "U+200B ZERO WIDTH SPACE behind GSF1"),
        ("import", {"type": "cells", "dataLink": "https://a/b\u200b"}, "U+200B ZERO WIDTH SPACE behind"),
        ("import", {"type": "sample", "metadataLink": LINK}, "type"),
        ("import", {"type": "samples"}, "needs a `metadataLink` for this type"),
        ("import", {"type": "samples", "dataLink": LINK}, "this type is metadata alone"),
        ("import", {"type": "variant", "metadataLink": LINK}, "needs a `dataLink` for this type"),
        ("import", {"type": "variant", "dataLink": LINK, "allow_dups": True}, "would load data twice"),
        ("import", {"type": "cells", "dataLink": "a\nb"}, "characters that cannot be seen"),
        (
            "import",
            {"type": "expression", "dataLink": LINK, "numberOfFeatureAttributes": "5"},
            "must be a whole number, and is the text '5' - write it without quotes: 5",
        ),
    ],
)
async def test_a_mistake_says_what_to_write_instead(tmp_path, kind, item, text):
    """Before anything is sent."""
    found = await mistakes_of(tmp_path, kind, item)
    assert any(text in line for line in found), found


async def test_one_link_under_two_types_is_two_jobs(tmp_path):
    """Inside a job the link is the key."""
    found = await mistakes_of(
        tmp_path, "import", {"type": "samples", "metadataLink": LINK}, {"type": "libraries", "metadataLink": LINK}
    )
    assert any("has the same dataLink or metadataLink as" in line for line in found), found


async def test_jobs_on_odm_have_no_project(tmp_path):
    """It is left out, and a mistake where it is given; so are options."""
    found = await mistakes_of(tmp_path, "publish", {"study": "GSF1"}, project="x", options={"a": 1})
    assert any("leave `project` out" in line for line in found)
    assert any("leave `options` out" in line for line in found)


async def test_an_import_job_is_cut_into_single_requests(tmp_path):
    """The estimate counts one request for each item, as each call takes one."""
    items = [{"type": "samples", "metadataLink": f"{LINK}{n}"} for n in range(40)]
    (tmp_path / "a.json").write_text(
        json.dumps({"version": 1, "jobs": [{"name": "a", "kind": "odm.import", "account": "odm", "items": items}]})
    )
    with await check(tmp_path / "a.json", ACCOUNTS) as report:
        (job,) = report.jobs
    assert (job.spec.batch_size, job.spec.project, job.items) == (1, "", 40)
