"""Results reach the disk: each by itself, and in the end all of them."""

import csv
import json
import os
import shutil
import sqlite3
from functools import partial

import pytest
from waiting import PATIENCE

from orchestrator.clock import ManualClock
from orchestrator.domain.model import JobSpec, NewItem
from orchestrator.engine.report.context import Context, web_link
from orchestrator.engine.results import Results
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import JobSettled, ResultDelayed


class Desk:
    """A store with settled jobs, and what writes their results."""

    def __init__(self, store, folder):
        self.store = store
        self.folder = folder
        self.clock = ManualClock()
        self.events = []
        bus = Bus()
        bus.subscribe(self.events.append)
        self.bus = bus
        self.results = self.writer()

    def writer(self, **more):
        """What writes the results, with more than it needs."""
        return Results(
            directory=self.folder,
            store=self.store,
            clock=self.clock,
            bus=self.bus,
            retry_delays=lambda tries: 10.0,
            **more,
        )

    async def settle(self, name):
        spec = JobSpec(name=name, kind="ica.data_linking", account="ica", project="p", digest="d", batch_size=10)
        job = await self.store.jobs.load(spec, self.clock.now())
        await self.store.jobs.add_items(job, [NewItem(1, "fil.1", b"{}", b'{"a":"1"}')])
        await self.store.jobs.commit([job], self.clock.now())
        await self.store.advance.cancel(name, now=self.clock.now())

    def published(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def written(self):
        return sorted(json.loads(path.read_text())["job"]["name"] for path in self.folder.glob("*.json"))


@pytest.fixture
async def desk(tmp_path, newest_sqlite):
    """A desk with an empty folder."""
    shutil.copyfile(newest_sqlite, tmp_path / "orchestrator.db")
    folder = tmp_path / "results"
    folder.mkdir()
    async with Store.opened(f"sqlite:///{tmp_path}/orchestrator.db", state_directory=tmp_path) as store:
        await store.memory.instance("lab")
        yield Desk(store, folder)


def spoil(tmp_path, statement):
    """Something has written into the database."""
    with sqlite3.connect(tmp_path / "orchestrator.db", timeout=PATIENCE) as connection:
        connection.execute(statement)
    connection.close()


async def test_a_result_that_cannot_be_made_keeps_no_other_back(desk, tmp_path):
    """A spoilt row breaks its own job's result, which is told in full; the jobs behind it have theirs."""
    for name in ("first", "second", "third"):
        await desk.settle(name)
    spoil(tmp_path, "UPDATE items SET row = X'7B6E6F' WHERE job = (SELECT id FROM jobs WHERE name = 'first')")
    assert 0 < await desk.results.turn() <= 10.0
    assert desk.written() == ["second", "third"]
    (delayed,) = desk.published(ResultDelayed)
    assert (delayed.job, "Traceback" in delayed.reason) == ("first", True)
    spoil(tmp_path, "UPDATE items SET row = NULL")
    await desk.clock.advance(10)
    await desk.results.turn()
    assert desk.written() == ["first", "second", "third"]
    assert len(desk.published(JobSettled)) == 3


async def test_a_result_that_could_not_be_written_waits_no_longer_when_the_clock_is_set_back(desk):
    """Its pause runs on the monotonic clock."""
    await desk.settle("first")
    desk.folder.rmdir()
    await desk.results.turn()
    assert str(desk.folder) in desk.published(ResultDelayed)[0].reason
    desk.folder.mkdir()
    desk.clock.step_wall(-86_400)
    await desk.clock.advance(10)
    await desk.results.turn()
    assert desk.written() == ["first"]


async def test_a_folder_whose_name_is_no_text_delays_its_results_like_any_other(desk):
    """No database stores such a name: it is recorded with an escape, and each attempt counts."""
    desk.folder = desk.folder / os.fsdecode(b"\xff")
    await desk.settle("first")
    assert 0 < await desk.writer().turn() <= 10.0
    assert "\\udcff" in (await desk.store.outbox.failing(1))["first"]


async def test_many_large_results_are_written_in_several_turns(desk, monkeypatch):
    """A turn of many minutes would look as if it hung, and the watchdog would end the daemon."""
    for number in range(5):
        await desk.settle(f"job-{number}")
    record = desk.store.outbox.done

    async def after_half_a_minute(entry):
        await desk.clock.advance(30)
        await record(entry)

    monkeypatch.setattr(desk.store.outbox, "done", after_half_a_minute)
    for written in (2, 4, 5):
        pause = await desk.results.turn()
        assert (len(desk.written()), pause == 0) == (written, written < 5)


async def test_the_result_of_a_job_that_was_opened_again_is_not_written(desk, monkeypatch):
    """It waited behind others that are due: no file, and no event, says that a job settled which runs."""
    for name in ("first", "second"):
        await desk.settle(name)
    read_due = desk.store.outbox.due

    async def then_retry(now):
        due = await read_due(now)
        await desk.store.advance.retry("second", now=desk.clock.now())
        return due

    monkeypatch.setattr(desk.store.outbox, "due", then_retry)
    await desk.results.turn()
    assert desk.written() == ["first"]
    assert [event.job for event in desk.published(JobSettled)] == ["first"]
    await desk.store.advance.cancel("second", now=desk.clock.now())
    monkeypatch.undo()
    await desk.results.turn()
    assert desk.written() == ["first", "second"]


# ---------------------------------------------------------------- three files


async def test_a_result_is_three_files_from_one_reading(desk):
    """Table, page and document say the same, as the items are read once; no draft stays behind."""
    await desk.settle("first")
    reads, stream = [], desk.store.items.stream

    def counted(*words, **more):
        reads.append(words)
        return stream(*words, **more)

    desk.store.items.stream = counted
    await desk.results.turn()
    assert len(reads) == 1
    assert sorted(path.name for path in desk.folder.iterdir()) == ["first.csv", "first.html", "first.json"]
    document = json.loads((desk.folder / "first.json").read_text())
    (row,) = csv.DictReader((desk.folder / "first.csv").read_text().splitlines())
    assert (row["key"], row["state"], row["a"]) == ("fil.1", document["items"][0]["state"], "1")
    page = (desk.folder / "first.html").read_text()
    assert ("Cancelled; 0 of 1 item succeeded." in page, "fil.1" in page) == (True, True)


@pytest.mark.parametrize("ending", ["csv", "html", "json"])
async def test_a_file_that_cannot_be_put_in_place_leaves_no_draft(desk, ending):
    """Whichever of the three it is; what is there already stays, and the result is tried again."""
    await desk.settle("first")
    (desk.folder / f"first.{ending}").mkdir()
    await desk.results.turn()
    assert [path.name for path in desk.folder.iterdir() if path.name.startswith(".")] == []
    assert not desk.published(JobSettled)
    (desk.folder / f"first.{ending}").rmdir()
    await desk.clock.advance(10)
    await desk.results.turn()
    assert len(list(desk.folder.iterdir())) == 3


async def test_the_results_have_links_where_the_account_has_a_web_url(desk):
    """In the table, in the document and on the page; without a `web_url` the document has no such field."""
    link = partial(web_link, "https://platform.example.org/{remote_id}")
    desk.results = desk.writer(context=lambda spec: Context("The Platform", None, partial(link, spec.project)))
    await desk.settle("first")
    spoil(desk.folder.parent, "UPDATE items SET remote_id = 'id/1'")
    await desk.results.turn()
    (row,) = csv.DictReader((desk.folder / "first.csv").read_text().splitlines())
    item = json.loads((desk.folder / "first.json").read_text())["items"][0]
    page = (desk.folder / "first.html").read_text()
    assert row["link"] == item["link"] == "https://platform.example.org/id%2F1"
    assert f'<a href="{item["link"]}"' in page
