"""Controls: files that ask for something to happen to jobs."""

import os
import pwd

import pytest

from orchestrator.domain.model import ItemState, JobState, Needs
from orchestrator.domain.queue_file.control_models import Adopt, Adoption
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.control_reports import described
from orchestrator.telemetry.events import ControlDone


def control(*controls):
    return {"version": 1, "controls": list(controls)}


async def test_a_job_is_cancelled_by_a_file(desk):
    """Done when the file lies in accepted/; whoever waits for changes is told."""
    async with desk() as d:
        spool = d.spool()
        changes = []
        spool.changed = lambda: changes.append(1)
        d.write("a.json", d.file(d.links("a", "fil.1", "fil.2")))
        await d.decide(spool)
        d.write("c.json", control({"cancel": "A"}))
        await d.decide(spool)
        job = await d.store.jobs.get("a")
        assert (job.state, job.counts[ItemState.CANCELLED]) == (JobState.CANCELLED, 2)
        assert len(changes) == 2
        assert d.names("accepted") == ["a.json", "c.json"]


async def test_pause_resume_and_retry(desk):
    """Controls of one file are carried out in their order."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a"), d.links("b", "fil.2")))
        await d.decide(spool)
        d.write("p.json", control({"pause": {"account": "ica"}}, {"resume": "a"}))
        await d.decide(spool)
        assert (await d.store.jobs.get("b")).needs is Needs.PAUSED
        d.write("r.json", control({"resume": {"all": True}}, {"cancel": "b"}, {"retry": "b", "items": ["fil.2"]}))
        await d.decide(spool)
        job = await d.store.jobs.get("b")
        assert (job.needs, job.round, job.counts[ItemState.PENDING]) == (None, 2, 1)


async def test_each_control_is_told_with_its_target_and_who_asked(desk):
    """An event for each, in order, by the job's own name; the note of the file has them in words."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("Big", "fil.1", "fil.2")))
        await d.decide(spool)
        asked = [
            {"pause": "big"},
            {"pause": {"account": "ica"}},
            {"resume": {"all": True}},
            {"cancel": "big"},
            {"retry": "BIG", "items": ["fil.1"]},
            {"cancel": "Big"},
            {"retry": "Big", "state": "cancelled"},
        ]
        d.write("c.json", control(*asked))
        await d.decide(spool)
        assert [(each.control, each.target, each.result) for each in d.published(ControlDone)] == [
            ("pause", "Big", "paused Big"),
            ("pause", "account ica", "paused account ica: 0 jobs paused"),
            ("resume", "everything", "resumed everything: 1 job resumed"),
            ("cancel", "Big", "cancelled Big: 2 items ended"),
            ("retry", "Big", "retried Big (1 item): 1 item is submitted again"),
            ("cancel", "Big", "cancelled Big: 1 item ended"),
            ("retry", "Big", "retried Big (cancelled items): 2 items are submitted again"),
        ]
        assert {(each.file, each.dropped_by) for each in d.published(ControlDone)} == {("c.json", str(os.getuid()))}
        assert d.accepted[-1].note == "; ".join(each.result for each in d.published(ControlDone))


async def test_a_note_of_many_controls_is_short(desk):
    """Ten of them; each is an event of its own all the same."""
    async with desk() as d:
        d.write("c.json", control(*[{"pause": {"account": "ica"}}] * 12))
        await d.decide(d.spool())
        assert d.accepted[-1].note == "; ".join(["paused account ica: 0 jobs paused"] * 10) + "; and 2 more controls"
        assert len(d.published(ControlDone)) == 12


async def test_controls_done_before_a_refused_one_are_told(desk):
    """Its file is rejected, and they were done."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a")))
        await d.decide(spool)
        d.write("c.json", control({"pause": "a"}, {"adopt": {"job": "a", "batch": 7, "remote_id": "x"}}))
        await d.decide(spool)
        assert [each.result for each in d.published(ControlDone)] == ["paused a"]
        assert [each.file for each in d.rejected] == ["c.json"]


def test_an_adoption_is_told_with_both_ends():
    """Which object became which batch."""
    adopt = Adopt(adopt=Adoption(job="big", batch=3, remote_id="5f0c"))
    assert described(adopt, {"big": "Big"}) == ("adopt", "Big", "adopted 5f0c as batch 3 of Big")


async def test_jobs_come_before_the_controls_of_their_file(desk):
    """A file may pause what it brings."""
    async with desk() as d:
        d.write("a.json", d.file(d.links("a"), controls=[{"pause": "a"}]))
        await d.decide(d.spool())
        assert (await d.store.jobs.get("a")).needs is Needs.PAUSED


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"cancel": "nobody"}, "controls[1]"),
        ({"pause": {"account": "nobody"}}, "controls[1]"),
        ({"retry": "nobody"}, "controls[1]"),
        ({"give-up": "nobody"}, "controls[1]"),
        ({"adopt": {"job": "nobody", "batch": 1, "remote_id": "x"}}, "controls[1]"),
    ],
)
async def test_controls_of_what_is_not_there_reject_the_whole_file(desk, asked, path):
    """Nothing of the file happens, neither its jobs nor its other controls."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a")))
        await d.decide(spool)
        d.write("c.json", d.file(d.links("new"), controls=[{"cancel": "a"}, asked]))
        await d.decide(spool)
        assert [path] == [mistake["path"] for mistake in d.errors("c.json")["mistakes"]]
        assert await d.jobs() == ["a"]
        assert (await d.store.jobs.get("a")).state is JobState.QUEUED


async def test_a_job_is_given_up_in_the_name_of_whoever_dropped_the_file(desk):
    """The detail of its items says who: the owner of the control file."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a")))
        await d.decide(spool)
        d.write("c.json", control({"give-up": "A"}))
        await d.decide(spool)
        job = await d.store.jobs.get("a")
        assert job.state is JobState.FAILED
        user = pwd.getpwuid(os.geteuid()).pw_name
        details = [item.detail async for items in d.store.items.stream(job.id) for item in items]
        assert set(details) == {f"given up by {user}"}
        assert [(each.control, each.result) for each in d.published(ControlDone)] == [
            ("give-up", "gave up a: 1 item ended as failed")
        ]


async def test_a_control_that_cannot_be_done_rejects_its_file(desk):
    """The store's reason is the mistake."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a")))
        await d.decide(spool)
        d.write("c.json", control({"adopt": {"job": "a", "batch": 7, "remote_id": "x"}}))
        await d.decide(spool)
        (mistake,) = d.errors("c.json")["mistakes"]
        assert mistake["path"] == "controls[0]"
        assert mistake["message"]


async def test_the_same_control_dropped_again_is_done_again(desk):
    """A file of the same name and content at another time is another wish."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a")))
        await d.decide(spool)
        for _ in range(2):
            d.write("p.json", control({"pause": "a"}))
            await d.decide(spool)
            assert (await d.store.jobs.get("a")).needs is Needs.PAUSED
            await d.store.advance.resume(name="a", now=d.clock.now())
        assert d.names("accepted") == ["a.json", "p-2.json", "p.json"]


async def test_retry_cuts_by_the_bytes_that_the_account_allows(desk):
    """New batches are as large as those of intake, not as the default says."""
    async with desk() as d:
        d.accounts["ica"] = AccountLimits("ica", 5000, batch_bytes=70_000)
        spool = d.spool()
        items = [{"dataId": f"fil.{number}", "note": "x" * 30_000} for number in range(5)]
        d.write("a.json", d.file({**d.links("a"), "items": items}))
        await d.decide(spool)
        d.write("r.json", control({"cancel": "a"}, {"retry": "a", "state": "cancelled"}))
        await d.decide(spool)
        job = await d.store.jobs.get("a")
        assert [batch.items for batch in await d.store.batches.of_job(job.id) if batch.items] == [2, 2, 1]
        assert [batch.items for batch in (await d.store.batches.of_job(job.id))[3:]] == [2, 2, 1]
