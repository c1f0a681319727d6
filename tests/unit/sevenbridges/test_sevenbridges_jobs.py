"""Answers about jobs over many files that no simulator gives."""

from dataclasses import replace

import pytest
from planned_batch import planned_batch

from orchestrator.domain.model import BatchId, BatchKey, BatchReport, BatchState, Item, ItemState
from orchestrator.platforms.sevenbridges import kinds
from orchestrator.platforms.sevenbridges.files.jobs import JobPolls
from orchestrator.platforms.sevenbridges.files.outcomes import Outcomes

FINISHED = {"id": "17", "type": "MOVE", "state": "FINISHED"}


@pytest.fixture
def asked(script, session):
    """The reports of one poll of a job that moves one file, as the platform answers."""
    batch = planned_batch(
        job="run",
        number=1,
        items=1,
        id=BatchId("b1"),
        account="sb",
        project="lab/cohort",
        kind=kinds.FILE_MOVE.name,
        key=BatchKey("k1"),
        first_stage=kinds.FILE_MOVE.stage,
    )
    batch = replace(batch, state=BatchState.TRACKING, remote_id="17")
    item = Item(
        job=batch.job,
        seq=1,
        key="f1",
        batch=1,
        stage=kinds.FILE_MOVE.stage,
        state=ItemState.RUNNING,
        status="RUNNING",
        remote_id=None,
        detail=None,
        request=b'{"file":"f1"}',
    )

    async def asked(answer):
        script.say("async/files/move", answer)
        jobs = JobPolls(session(), kinds.FILE_MOVE, "/async/files/move", Outcomes(lambda *_: True))
        [poll] = jobs.of([batch])
        observations = (await jobs.ask(replace(poll, named=(item,)))).observations
        ends = [each.final for each in observations if isinstance(each, BatchReport)]
        return [each for each in observations if not isinstance(each, BatchReport)], ends

    return asked


@pytest.mark.parametrize("answer", [FINISHED, FINISHED | {"result": None}])
async def test_a_job_that_ended_without_rows_needs_an_operator(asked, answer):
    """It is asked about again, as the rows may come; until then nobody takes its items for running."""
    (report,), ends = await asked(answer)
    assert (report.state, report.status, ends) == (ItemState.ATTENTION, "FINISHED", [False])
    assert report.detail.startswith("job 17 has ended, and shows no rows so far: look there")


async def test_rows_that_come_late_end_its_items(asked):
    """As those of any other job."""
    (report,), ends = await asked(FINISHED | {"result": [{"resource": {"id": "f1", "name": "x"}}]})
    assert (report.state, ends) == (ItemState.SUCCEEDED, [True])
