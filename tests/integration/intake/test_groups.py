"""`group_by`, lists and optional elements, from a table to the items of a job."""

import json

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.domain.queue_file.placeholder import MOST_ROWS
from orchestrator.intake.validation.check import check

ACCOUNTS = {"ica": AccountLimits("ica", 5000)}
PROJECT = "11111111-1111-1111-1111-111111111111"
JOB = {
    "name": "a",
    "kind": "ica.analysis_creation",
    "account": "ica",
    "project": PROJECT,
    "engine": "nextflow",
    "table": "t.csv",
}
LANES = "sample,lane,r1,r2\nA,1,fil.1,fil.2\nB,1,fil.3,\nA,2,fil.5,fil.6\n"


def template(*data, key="run/${sample}", **more):
    """An analysis of these data."""
    inputs = {"inputs": [{"parameterCode": "reads", "dataIds": list(data)}]}
    return {"userReference": key, "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8", "analysisInput": inputs, **more}


@pytest.fixture
def checked(tmp_path):
    """The job's digest, its items, and the mistakes."""

    async def checked(job, table=LANES):
        (tmp_path / "t.csv").write_text(table)
        (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [JOB | job]}) + "\n")
        with await check(tmp_path / "a.json", ACCOUNTS) as report:
            items = [item for job in report.jobs for chunk in job.chunks() for item in chunk]
            digest = report.jobs[0].spec.digest if report.jobs else None
            return list(map(str, report.mistakes)), items, digest

    return checked


def data(item):
    return json.loads(item.request)["analysisInput"]["inputs"][0]["dataIds"]


async def test_lanes_of_a_sample_are_one_analysis(checked):
    """Rows of one sample need not be neighbours; single-end stands beside paired-end; results keep the rows."""
    job = {"group_by": "sample", "template": template("${r1[]}", "${?r2[]}"), "count": 2}
    mistakes, items, _ = await checked(job)
    assert mistakes == []
    assert [(item.key, data(item)) for item in items] == [
        ("run/A", ["fil.1", "fil.5", "fil.2", "fil.6"]),
        ("run/B", ["fil.3"]),
    ]
    assert json.loads(items[0].row) == {"sample": "A", "lane": "1;2", "r1": "fil.1;fil.5", "r2": "fil.2;fil.6"}


async def test_a_text_that_differs_in_a_group_is_a_mistake(checked):
    """With the line of the group's first row, the column and what to write."""
    (mistake,), _, _ = await checked({"group_by": "sample", "template": template("${r1}", "${?r2[]}")})
    assert mistake == (
        "t.csv, line 2, column r1: holds 2 different values in the rows of one group"
        " - write `${r1[]}` for a list of them"
    )


@pytest.mark.parametrize(("reads", "column"), [("${r1[]}", "project"), ("fil.1", "sample")])
async def test_a_group_of_too_many_rows_is_a_mistake(checked, reads, column):
    """Nothing is left out of an item silently: no row beyond the limit, and no value that differs there alone."""
    rows = [f"A,{'p' if number <= MOST_ROWS else 'q'},fil.{number}\n" for number in range(MOST_ROWS + 2)]
    key = f"run/${{{column}}}"
    job = {"group_by": "sample", "template": template(reads, key=key)}
    (mistake,), items, _ = await checked(job, "sample,project,r1\n" + "".join(rows))
    assert mistake == (
        f"t.csv, line 2, column {column}: is in one group of more than 10000 rows, and one item is made of so many at "
        "most - is `group_by` the column that tells the items apart?"
    )
    assert items == []


async def test_a_group_of_as_many_rows_as_may_be_is_whole(checked):
    """The last row is among them."""
    rows = "".join(f"A,fil.{number}\n" for number in range(MOST_ROWS))
    job = {"group_by": "sample", "template": template("${r1[]}")}
    mistakes, (item,), _ = await checked(job, "sample,r1\n" + rows)
    assert (mistakes, len(data(item))) == ([], MOST_ROWS)


async def test_single_end_stands_beside_paired_end(checked):
    """The element of an empty cell is left out; without `?` the message says so."""
    job = {"template": template("${r1}", "${?r2}", key="run/${sample}-${lane}")}
    _, items, _ = await checked(job)
    assert [data(item) for item in items] == [["fil.1", "fil.2"], ["fil.3"], ["fil.5", "fil.6"]]
    (mistake,), _, _ = await checked({"template": template("${r1}", "${r2}", key="run/${sample}-${lane}")})
    assert "write `${?r2}`" in mistake


async def test_several_ids_in_a_cell_become_a_list(checked):
    """Split at `;`; each of them is checked."""
    table = "sample,r1\nA,fil.1;fil.2\nB,fil.3; B.bam\n"
    mistakes, _, _ = await checked({"template": template("${r1[]}")}, table)
    assert len(mistakes) == 1
    assert mistakes[0].startswith("t.csv, line 3, column r1, analysisInput.inputs[0].dataIds[1]: 'B.bam' is the name")


async def test_typed_cells_reach_the_platform_as_typed(checked):
    """A number, not a text with digits; its own digits."""
    table = "sample,r1,n,f,b\nA,fil.1,12,1.50,TRUE\n"
    job = {"template": template("${r1}", extra={"n": "${n:int}", "f": "${f:float}", "b": "${b:bool}"})}
    _, (item,), _ = await checked(job, table)
    assert b'"extra":{"b":true,"f":1.50,"n":12}' in item.request


async def test_group_by_is_content(checked):
    """The same items without it are another job; a table in which nothing is gathered makes both."""
    table = "sample,r1\nA,fil.1\nB,fil.2\n"
    _, _, plain = await checked({"template": template("${r1[]}")}, table)
    _, _, grouped = await checked({"template": template("${r1[]}"), "group_by": "sample"}, table)
    assert plain != grouped


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({"group_by": "Sample", "template": template("${r1}")}, "no column 'Sample' - did you mean `sample`?"),
        ({"group_by": "sample"}, "one of the two is missing"),
    ],
)
async def test_what_group_by_needs_is_said(checked, job, says):
    """A column of the table, and a template."""
    mistakes, _, _ = await checked(job)
    assert any(says in mistake for mistake in mistakes)
