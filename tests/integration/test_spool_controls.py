"""Controls: files that ask for something to happen to jobs."""

import pytest

from orchestrator.domain.model import ItemState, JobState, Needs


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
        assert d.names("accepted") == ["a.json", "p.json", "p.json-2"]
