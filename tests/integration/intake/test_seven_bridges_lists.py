"""Files among the inputs of a Seven Bridges task, from a table: lists, optional ones, and what is no id."""

import json

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check

A, B, C = (f"568cf5dce4b0307bc046206{number}" for number in range(3))


@pytest.fixture
def checked(tmp_path):
    """The mistakes of a job of tasks, and the inputs of its items."""

    async def checked(inputs, table, **job):
        task = {"name": "align ${sample}", "app": "lab/cohort/align/3", "inputs": inputs}
        asked = {"name": "a", "kind": "sevenbridges.task", "account": "sb", "project": "lab/cohort"}
        (tmp_path / "t.csv").write_text(table)
        document = {"version": 1, "jobs": [asked | {"template": task, "table": "t.csv"} | job]}
        (tmp_path / "a.json").write_text(json.dumps(document) + "\n")
        with await check(tmp_path / "a.json", {"sb": AccountLimits("sevenbridges", 5000)}) as report:
            items = [json.loads(item.request) for job in report.jobs for chunk in job.chunks() for item in chunk]
            return list(map(str, report.mistakes)), [item["inputs"] for item in items]

    return checked


def files(*ids):
    return [{"class": "File", "path": each} for each in ids]


async def test_a_cell_of_several_ids_is_a_list_of_files(checked):
    """In a list among other files, or in place of one."""
    listed = {"class": "File", "path": "${ids[]}"}
    inputs = {"reads": [listed, *files(C)], "more": listed}
    mistakes, made = await checked(inputs, f"sample,ids\nS1,{A};{B}\nS2,{B}\n")
    assert mistakes == []
    assert made == [{"reads": files(A, B, C), "more": files(A, B)}, {"reads": files(B, C), "more": files(B)}]


async def test_an_optional_file_is_left_out(checked):
    """Out of a list, and as an input of its own; the rest of the object does not stay behind."""
    inputs = {"reads": files("${r1}", "${?r2}"), "index": files("${?r2}")[0]}
    mistakes, made = await checked(inputs, f"sample,r1,r2\nS1,{A},{B}\nS2,{C},\n")
    assert mistakes == []
    assert made == [{"reads": files(A, B), "index": files(B)[0]}, {"reads": files(C)}]


async def test_the_lanes_of_a_sample_are_one_list(checked):
    """A lane without a mate adds none; without `?` the message says so."""
    table = f"sample,lane,r1,r2\nS1,1,{A},{B}\nS1,2,{C},\n"
    mistakes, made = await checked({"reads": files("${r1[]}", "${?r2[]}")}, table, group_by="sample")
    assert (mistakes, made) == ([], [{"reads": files(A, C, B)}])
    (mistake,), _ = await checked({"reads": files("${r1[]}", "${r2[]}")}, table, group_by="sample")
    assert "column r2: is empty in some of the rows of one group - enter the value, or write `${?r2[]}`" in mistake


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("NA", "'NA' stands for a missing value"),
        ("S1_R1.fastq.gz", "is the name of a file, and its id is needed"),
        (f"{A};{B}", "holds several values, and one id is needed"),
        (f"{A}\u200b", "holds U+200B ZERO WIDTH SPACE"),
        ("", "is empty - enter the value, or write `${?id}`"),
    ],
)
async def test_what_is_no_id_of_a_file_is_refused(checked, cell, says):
    """With the line and the column of the table, however deep the file lies."""
    inputs = {"settings": {"reads": files("${id}")}}
    (mistake,), _ = await checked(inputs, f'sample,id\nS0,{A}\nS1,"{cell}"\n')
    assert mistake.startswith("t.csv, line 3, column id, inputs.settings.reads[0].path: ")
    assert says in mistake


@pytest.mark.parametrize(
    ("value", "says"),
    [({"class": "File"}, "inputs.x: is a File without a `path`"), ({"class": "File", "path": 7}, "must be one id")],
)
async def test_a_file_without_an_id_is_refused(checked, value, says):
    """It would reach the platform, and fail there."""
    (mistake,), _ = await checked({"x": value}, "sample\nS1\n")
    assert says in mistake


NOTE = "in inputs.{} looks like the id of a file, and is sent as a text - where a file is meant, write `{{class: File, "


async def test_the_id_of_a_file_as_a_mere_text_is_noted(tmp_path):
    """The platform takes it for a text, and the task fails after it was paid for; it is sent as it is all the same."""
    inputs = {"bam": A, "reads": ["${id}", B], "index": "${id}", "ref": files(C)[0], "sample": "abc", "threads": 4}
    job = {"name": "a", "kind": "sevenbridges.task", "account": "sb", "project": "lab/cohort"}
    task = {"name": "t ${sample}", "app": "lab/cohort/align/3", "inputs": inputs}
    (tmp_path / "t.csv").write_text(f"sample,id\nS1,{B}\nS2,{C}\n")
    items = [{"name": "one", "app": "lab/cohort/align/3", "inputs": {"bam": A}}]
    jobs = [job | {"template": task, "table": "t.csv"}, job | {"name": "b", "items": items}]
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": jobs}) + "\n")
    with await check(tmp_path / "a.json", {"sb": AccountLimits("sevenbridges", 5000)}) as report:
        assert not report.mistakes
        (bam, reads, index, item) = report.notes
    assert bam.startswith(f"t.csv, lines 2, 3: '{A}' {NOTE.format('bam')}")
    assert reads.startswith(f"t.csv, lines 2, 3: '{B}' {NOTE.format('reads')}")
    assert index.startswith(f"t.csv, lines 2, 3: '{B}' {NOTE.format('index')}")
    assert item.startswith(f"jobs[1].items[0]: '{A}' {NOTE.format('bam')}")
