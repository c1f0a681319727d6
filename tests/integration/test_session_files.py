"""Queue files that follow workflow sessions, from their bytes to a report, and the example of the documentation."""

import json
import re
from pathlib import Path

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check
from orchestrator.platforms.ica import stages

ACCOUNTS = {"ica": AccountLimits("ica", 5000)}
DOC = Path(__file__).parents[2] / "docs/queue-files.md"
PROJECT = "11111111-1111-1111-1111-111111111111"


async def mistakes_of(tmp_path, *items, **job):
    """The mistakes of a file with one job."""
    asked = {"name": "a", "kind": "ica.workflow_session", "account": "ica", "project": PROJECT, "items": list(items)}
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [asked | job]}))
    with await check(tmp_path / "a.json", ACCOUNTS) as report:
        return [str(mistake) for mistake in report.mistakes]


async def test_the_example_of_the_documentation_is_a_job_that_only_follows(tmp_path):
    """Its selector and its session are keys of one job; a submission costs nothing."""
    section = DOC.read_text().partition("## A night of workflow sessions on ICA")[2]
    (tmp_path / "night.yaml").write_text(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1])
    with await check(tmp_path / "night.yaml", ACCOUNTS) as report:
        assert [str(mistake) for mistake in report.mistakes] == []
        [job] = report.jobs
        assert [item.key for chunk in job.chunks() for item in chunk] == [
            "germline",
            "5c0f8d52-3c7e-4b9a-9d7e-0c2a4f1e6b11",
        ]
        assert (job.spec.follow_only, job.spec.first_stage, job.estimate.requests) == (True, stages.SEARCH, 1)


@pytest.mark.parametrize(
    ("key", "value"), [("max_open", 5), ("stop_after", {"failed": 1}), ("retry", {"attempts": 2, "on": ["FAILED"]})]
)
async def test_what_is_about_submissions_is_a_mistake(tmp_path, key, value):
    """Nothing of this kind is sent."""
    [line] = await mistakes_of(tmp_path, {"name": "x"}, **{key: value})
    assert "nothing of ica.workflow_session is: it only follows" in line
    assert f"leave `{key}` out" in line


async def test_ids_may_come_from_a_table(tmp_path):
    """One session a row."""
    (tmp_path / "ids.csv").write_text("session\n5c0f8d52-3c7e-4b9a-9d7e-0c2a4f1e6b11\nnonsense\n")
    job = {"items": None, "table": "ids.csv", "template": {"id": "${session}"}}
    found = await mistakes_of(tmp_path, **job)
    assert len(found) == 1
    assert "nonsense" in found[0]


async def test_a_mistake_in_a_selector_has_its_place(tmp_path):
    """The field, and what to write there."""
    [line] = await mistakes_of(tmp_path, {"name": "x", "since": "yesterday"})
    assert "items[0].since" in line.replace("jobs[0].", "")
    assert "-24h" in line
