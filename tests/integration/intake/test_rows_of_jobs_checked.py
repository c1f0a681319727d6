"""Jobs that are made of the rows of an earlier one, before there are rows, and how much memory the rows take."""

import json
import tracemalloc

import pytest

from orchestrator.clock import ManualClock
from orchestrator.domain.model import CREATION, Item, ItemState, JobState
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.rows.rows_planner import RowsPlanner
from orchestrator.intake.validation.check import check
from orchestrator.platforms.registry import KINDS
from orchestrator.store.writing.jobs.planned_rows import PlannableJob, RowSource

PROJECT = "11111111-1111-1111-1111-111111111111"
ACCOUNTS = {"ica": AccountLimits("ica", 5000)}
LINKS = {
    "name": "links",
    "kind": "ica.data_linking",
    "account": "ica",
    "project": PROJECT,
    "template": {"dataId": "${id}"},
    "table": "t.csv",
}
TEMPLATE = {
    "userReference": "run/${sample}",
    "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
    "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": ["${remote_id}"]}]},
}


def analyses(**more):
    job = {"name": "analyses", "kind": "ica.analysis_creation", "account": "ica", "project": PROJECT}
    return job | {"engine": "nextflow", "template": TEMPLATE, "table": {"job": "links"}} | more


async def findings(tmp_path, *jobs, table="id,sample,key\nfil.01,s1,k1\n"):
    """The mistakes and notes of a file of these jobs, beside the table of the first."""
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": jobs}, indent=1))
    (tmp_path / "t.csv").write_text(table)
    with await check(tmp_path / "a.json", ACCOUNTS) as report:
        return [str(mistake) for mistake in report.mistakes], list(report.notes)


async def test_a_good_file_says_what_is_checked_later(tmp_path):
    """With both jobs in the file every column is known; without, the columns of a table are not."""
    assert await findings(tmp_path, LINKS, analyses()) == (
        [],
        ["analyses: its items are made of the rows of links, and checked when that job has settled"],
    )
    _, (note,) = await findings(tmp_path, analyses())
    assert note.endswith("whether there are columns sample is known then")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
async def test_the_columns_of_a_table_with_another_separator_are_known(tmp_path, separator):
    """As a spreadsheet set to German exports it: its columns are no mistakes, and what none of them is, is one."""
    table = f'id{separator}"sample"{separator}key\nfil.01{separator}s1{separator}k1\n'
    mistakes, notes = await findings(tmp_path, LINKS, analyses(), table=table)
    assert mistakes == []
    assert notes[-1] == "analyses: its items are made of the rows of links, and checked when that job has settled"
    (mistake,), _ = await findings(tmp_path, LINKS, analyses(template=TEMPLATE | {"note": "${lane}"}), table=table)
    assert "have no column for ${lane}" in mistake


async def test_a_stop_that_comes_late_is_noted(tmp_path):
    """Their number is not known yet, and without `max_open` all of them are submitted at once."""
    _, (_, note) = await findings(tmp_path, LINKS, analyses(stop_after={"failed": 2}))
    assert note.startswith("analyses: `stop_after` holds back what is not submitted yet, and up to 5000 items are")
    assert len((await findings(tmp_path, LINKS, analyses(stop_after={"failed": 2}, max_open=8)))[1]) == 1


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([LINKS, analyses(template=TEMPLATE | {"userReference": "${smple}"})], "did you mean `sample`"),
        ([LINKS, analyses(group_by="smple")], "jobs[1].group_by: the rows of links have no column for"),
        ([analyses(template={"userReference": "${key}"})], "jobs[0].template.pipelineId: `pipelineId` is missing"),
        ([analyses(template=TEMPLATE | {"pipelineId": "p 1"})], "jobs[0].template.pipelineId: 'p 1'"),
        ([analyses(template=TEMPLATE | {"userReference": "a ${n:int}"})], "inside a longer text"),
        ([analyses(template=TEMPLATE | {"userReference": "${open"})], "is never closed"),
        ([analyses(template=None)], "has rows of an earlier job, and no `template`"),
        ([analyses(items=[{}])], "has both `items` and `table`"),
        ([analyses(table={"job": "links", "states": ["done"]})], "'done' is not one of 'succeeded', 'partial'"),
        ([analyses(table={"job": "analyses"})], "jobs[0].table: analyses waits for itself - take it out of `table`"),
        ([analyses(table={"name": "links"})], "`name` is not a key that belongs here - known are `job`, `states`"),
    ],
)
async def test_what_no_row_can_put_right_is_a_mistake(tmp_path, jobs, words):
    """Each is reported before anything is sent, with its line."""
    mistakes, notes = await findings(tmp_path, *jobs)
    assert any(words in mistake for mistake in mistakes), mistakes
    assert all(mistake.startswith("line ") for mistake in mistakes)
    assert notes == []


async def test_columns_of_typed_placeholders_are_no_mistakes(tmp_path):
    """Numbers, booleans, lists and optional elements are left to the rows."""
    template = TEMPLATE | {"analysisInput": {"inputs": [], "parameters": [{"code": "a", "value": "${facts.n:bool}"}]}}
    template["tags"] = {"userTags": ["${?table.key}", "${facts.ids[]}"], "technicalTags": ["${state}"]}
    assert (await findings(tmp_path, LINKS, analyses(template=template)))[0] == []


# ---------------------------------------------------------------- memory


class Books:
    """In place of the store: rows without end, and a count of what is written."""

    def __init__(self, rows, row):
        self._rows, self._row = rows, row
        self.written = self.largest = 0

    async def next(self, after=None):
        source = RowSource("s", "links", JobState.SUCCEEDED, 1, pruned=False)
        document = json.dumps(analyses()).encode()
        return None if after else PlannableJob("j", "analyses", document, None, 0, source)

    async def as_rows(self, job, states):
        for start in range(0, self._rows, 100):
            chunk = range(start, min(start + 100, self._rows))
            yield [
                Item(job, n + 1, f"k{n}", 1, CREATION, ItemState.SUCCEEDED, None, "fil.1", None, row=self._row % n)
                for n in chunk
            ]

    async def begin(self, job, spec):
        return "load"

    async def add_all(self, portions):
        for _, items in portions:
            self.written += len(items)
            self.largest = max(self.largest, sum(len(item.request) + len(item.row) for item in items))

    async def commit(self, load, job, now):
        return ()


async def test_memory_does_not_grow_with_the_rows(tmp_path):
    """Forty megabytes of rows are planned in half of that, and written in portions of about a megabyte."""
    books = Books(4000, b'{"sample":"s%d","note":"' + b"x" * 10_000 + b'"}')
    planner = RowsPlanner(
        planned_rows=books,
        jobs=books,
        items=books,
        accounts=ACCOUNTS,
        kinds=KINDS,
        clock=ManualClock(),
        publish=lambda _: None,
        scratch=tmp_path,
    )
    tracemalloc.start()
    try:
        await planner.turn()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert books.written == 4000
    assert books.largest < 2_000_000
    assert peak < 20_000_000
