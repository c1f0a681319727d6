"""Jobs that stopped after failures, and jobs that are being cancelled: what is logged, and what they show."""

import pytest

from orchestrator.domain.model import BatchState
from orchestrator.domain.queue_file.estimate import AccountLimits, stop_after_note
from orchestrator.domain.queue_file.model import QueuedJob
from orchestrator.engine.outlook.why import why
from orchestrator.telemetry.events import ControlDone, JobSettled, JobStopped, Level


async def test_a_job_that_stops_is_logged_once_and_counts_on(world):
    """The reason has the failures of now, also of those that were on the platform when it stopped."""
    it = await world()
    keys = [f"a{n}-fail" for n in range(8)]
    await it.submit("run", keys, batch_size=2, max_open=4, stop_after_failed=1)

    async def all_ended():
        counts = (await it.job()).counts
        return set(counts) == {"failed", "pending"}

    await it.until(all_ended)
    job = await it.job()
    assert job.needs == "stopped"
    assert job.detail.startswith(f"{job.counts['failed']} items failed or were aborted")
    assert [(event.job, event.level) for event in it.published(JobStopped)] == [("run", Level.ERROR)]
    (reason,) = (await why(it.store, job, open_items=None, account=None, now=it.clock.now())).reasons
    assert reason.text == f"{job.detail}: `resume`"


async def test_a_job_that_is_being_cancelled_says_so(world):
    """Until the last of its items has ended, with their number."""
    it = await world()
    await it.submit("run", ["a-stuck", "b-stuck"])
    await it.until_state(BatchState.TRACKING)
    await it.run_for(300)
    await it.store.advance.cancel("run", now=it.clock.now())
    job = await it.job()
    assert (job.state, job.needs) == ("running", None)
    assert job.detail == "being cancelled: 2 items are still to end on the platform"
    await it.until_settled("run")
    assert (await it.job()).detail is None


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (JobSettled("a", "succeeded", "a.json"), Level.INFO),
        (JobSettled("a", "failed", "a.json", None, {"failed": 1}), Level.WARNING),
        (JobSettled("a", "skipped", "a.json", "b, which it waited for, ended as failed"), Level.WARNING),
        (ControlDone("pause", "everything", "paused everything", "p.json", "1000"), Level.WARNING),
        (ControlDone("resume", "everything", "resumed everything", "p.json", "1000"), Level.INFO),
    ],
)
def test_what_somebody_should_know_is_a_warning(event, level):
    """Jobs that did not succeed, and who holds jobs back."""
    assert event.level is level


@pytest.mark.parametrize(
    ("items", "max_open", "noted"), [(40, None, True), (40, 40, True), (41, 40, False), (1, None, True)]
)
def test_stop_after_that_cannot_act_is_noted(items, max_open, noted):
    """Where everything is submitted at once there is nothing to hold back."""
    job = QueuedJob(name="a", kind="k", account="x", project="p", items=[], max_open=max_open, stop_after={"failed": 2})
    note = stop_after_note(job, items, AccountLimits("ica", 5000))
    assert (note is not None) is noted
    if noted:
        assert "add `max_open: " in note


@pytest.mark.parametrize(
    ("items", "max_open", "says"),
    [
        (6000, None, "and 5000 of the 6000 items are submitted at once: add `max_open: 8` or so"),
        (None, None, "and up to 5000 items are submitted at once: add `max_open: 8` or so"),
        (6000, 5000, None),
        (None, 10, None),
    ],
)
def test_stop_after_that_acts_late_is_noted(items, max_open, says):
    """A job larger than the account's limit, or of rows to come: thousands are paid for before it stops."""
    job = QueuedJob(name="a", kind="k", account="x", project="p", items=[], max_open=max_open, stop_after={"failed": 2})
    note = stop_after_note(job, items, AccountLimits("ica", 5000))
    assert says in note if says else note is None
