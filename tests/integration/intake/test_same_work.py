"""Work that was asked for before under another name: accepted, with a note that names the earlier job."""

import json

from orchestrator.domain.model import BatchReport, ItemReport, ItemState, Receipt, Stage
from orchestrator.domain.submission import Resend, Submission
from orchestrator.intake import same_work


async def drop(d, name, *jobs):
    """Decide on a file of these jobs; returns the notes of its acceptance."""
    d.write(name, d.file(*jobs))
    await d.decide(d.spool())
    assert d.accepted[-1].file == name, d.rejected
    return d.accepted[-1].notes


async def succeed(d, name, *failed):
    """All items of the job's one batch succeed but these."""
    job = await d.store.jobs.get(name)
    now = d.clock.now()
    (batch,) = await d.store.batches.of_job(job.id)
    sent = Submission("POST", "/x", {}, b"{}", Resend.HARMLESS)
    begun = await d.store.advance.begin(batch, sent, user="me", now=now)
    batch = (await d.store.advance.confirm(begun, Receipt("remote"), now=now)).batch
    items = await d.store.items.of_batch(batch, with_request=False)
    ends = [ItemState.FAILED if item.key in failed else ItemState.SUCCEEDED for item in items]
    reports = [
        ItemReport(batch=batch.key, seq=item.seq, state=end, status=end.upper(), stage=Stage("link"))
        for item, end in zip(items, ends, strict=True)
    ]
    await d.store.advance.apply_reports(
        [*reports, BatchReport(batch.key, "SUCCEEDED", final=True)], now=now, account="ica"
    )


async def test_the_same_work_under_another_name_is_noted(desk):
    """Whatever the priority and the labels; with how many items of the earlier job succeeded."""
    async with desk() as d:
        ids = ("fil.1", "fil.2", "fil.3", "fil.4")
        assert await drop(d, "a.json", d.links("monday", *ids)) == ()
        await succeed(d, "monday", "fil.2")
        notes = await drop(d, "b.json", d.links("tuesday", *ids, priority=1, labels={"run": "7"}))
        same = "tuesday is the same work as job monday (partial, 3 of 4 items succeeded)"
        assert notes == (f"{same}: all of it is done again",)
        (note,) = await drop(d, "c.json", d.links("wednesday", *ids))
        assert "the same work as job tuesday (queued, 0 of 4 items succeeded) and 1 other job: all" in note
        assert await d.jobs() == ["monday", "tuesday", "wednesday"]


async def test_the_same_job_again_and_other_work_are_not_noted(desk):
    """The former changes nothing; the latter has other items, or is done in another project."""
    async with desk() as d:
        await drop(d, "a.json", d.links("monday", "fil.1", "fil.2"))
        assert await drop(d, "b.json", d.links("monday", "fil.1", "fil.2")) == ()
        assert await drop(d, "c.json", d.links("monday", "fil.1", "fil.2", priority=1)) == ()
        elsewhere = "22222222-2222-2222-2222-222222222222"
        assert await drop(d, "d.json", d.links("other", "fil.1", "fil.2", project=elsewhere)) == ()
        assert await drop(d, "e.json", d.links("new", "fil.8", "fil.9")) == ()


async def test_parts_are_found_by_key(desk):
    """With the jobs that had them, the newest first."""
    async with desk() as d:
        await drop(d, "a.json", d.links("monday", "fil.1", "fil.2", "fil.3"))
        await succeed(d, "monday", "fil.3")
        await drop(d, "b.json", d.links("tuesday", "fil.3", "fil.4"))
        (note,) = await drop(d, "c.json", d.links("all", *(f"fil.{n}" for n in range(9))))
        assert note.startswith("all has 4 items that were asked for before under the same key: ")
        assert note.endswith(": 2 in job tuesday (0 succeeded there), 3 in job monday (2 succeeded there)")


async def test_two_jobs_of_one_file_with_one_work_are_noted(desk):
    """Copied, and renamed only."""
    async with desk() as d:
        notes = await drop(d, "a.json", d.links("one", "fil.1"), d.links("two", "fil.1"))
        assert notes == ("two is the same work as one: all of it is done twice",)


async def test_no_more_than_so_many_keys_are_compared(desk, monkeypatch):
    """In all jobs at once: what is behind them is accepted without a note."""
    monkeypatch.setattr(same_work, "MOST_KEYS", 2)
    async with desk() as d:
        await drop(d, "a.json", d.links("monday", "fil.2", "fil.3"))
        assert await drop(d, "b.json", d.links("tuesday", "fil.1", "fil.9", "fil.2")) == ()
        (note,) = await drop(d, "c.json", d.links("wednesday", "fil.3", "fil.8"))
        assert note.startswith("wednesday has 1 item that")


async def test_a_job_made_of_rows_is_compared_once_it_has_items(desk):
    """Until then there is nothing that could be the same."""
    async with desk() as d:
        await drop(d, "a.json", d.links("monday", "fil.1"))
        rows = {"name": "again", "kind": "ica.data_linking", "account": "ica", "project": d.project}
        rows |= {"table": {"job": "monday"}, "template": {"dataId": "${key}"}}
        notes = await drop(d, "b.json", rows)
        assert not [note for note in notes if "same work" in note], json.dumps(notes)
        assert (await d.store.jobs.get("again")).spec.content_digest is None
