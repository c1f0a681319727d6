"""Tables: they belong to the queue file that names them."""

import os

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.telemetry.events import Level, TableUnreferenced

HEAD = (
    "version: 1\njobs:\n  - name: a\n    kind: ica.data_linking\n    account: ica\n"
    "    project: 11111111-1111-1111-1111-111111111111\n"
)
FILE = HEAD + "    table: t.csv\n"
TABLE = "dataId\nfil.1\nfil.2\n"


async def test_a_table_moves_with_its_queue_file(desk):
    """Both lie in accepted/ together, whichever was dropped first."""
    async with desk() as d:
        spool = d.spool()
        d.write("t.csv", TABLE)
        d.write("a.yaml", FILE)
        assert await d.decide(spool)
        assert d.names("accepted") == ["a.yaml", "t.csv"]
        assert d.names("incoming") == []
        assert [event.items for event in d.accepted] == [2]


async def test_a_queue_file_waits_for_its_table(desk):
    """It is not judged while its table may still come, and taken once that rested."""
    async with desk() as d:
        spool = d.spool()
        await d.rename_in(spool, "a.yaml", FILE)
        assert not await spool.rescan()
        await d.clock.advance(50)
        assert not await spool.rescan()
        d.write("t.csv", TABLE)
        assert not await spool.rescan()
        await d.clock.advance(5)
        assert await spool.rescan()
        assert d.names("accepted") == ["a.yaml", "t.csv"]


async def test_a_table_that_never_comes_rejects_its_queue_file(desk):
    """After a minute the file is rejected, with everything else that is wrong with it."""
    async with desk() as d:
        spool = d.spool()
        await d.rename_in(spool, "a.yaml", FILE + "    priority: high\n")
        await spool.rescan()
        await d.clock.advance(59)
        assert not await spool.rescan()
        await d.clock.advance(1)
        assert await spool.rescan()
        assert {"jobs[0].table", "jobs[0].priority"} == {mistake["path"] for mistake in d.errors("a.yaml")["mistakes"]}


async def test_a_table_that_keeps_growing_is_not_read(desk):
    """Half a table is never taken for a whole one."""
    async with desk() as d:
        spool = d.spool()
        path = d.write("t.csv", "dataId\n")
        await d.rename_in(spool, "a.yaml", FILE)
        for number in range(19):
            with path.open("a") as file:
                file.write(f"fil.{number}\n")
            assert not await spool.rescan()
            await d.clock.advance(3)
        assert d.events == []
        await d.clock.advance(3)
        assert await spool.rescan()
        assert [event.items for event in d.accepted] == [19]


async def test_a_table_goes_with_a_rejected_queue_file(desk):
    """Mistakes in the table are told with its name and line; both files lie in rejected/."""
    async with desk() as d:
        d.write("t.csv", "dataId\nfil.1\na b\nfil.1\n")
        d.write("a.yaml", FILE)
        await d.decide(d.spool())
        assert d.names("rejected") == ["a.yaml", "a.yaml.error.json", "t.csv"]
        assert {"t.csv, line 3, dataId", "t.csv, line 4, dataId"} == {
            mistake["where"] for mistake in d.errors("a.yaml")["mistakes"]
        }


async def test_a_table_that_nobody_names_is_rejected_after_an_hour(desk):
    """It is not waited for, and not left lying forever."""
    async with desk() as d:
        spool = d.spool()
        d.write("t.csv", TABLE)
        assert await spool.rescan()
        await d.clock.advance(3599)
        assert await spool.rescan()
        assert d.names("incoming") == ["t.csv"]
        await d.clock.advance(1)
        await spool.rescan()
        assert d.names("rejected") == ["t.csv", "t.csv.error.json"]


async def test_a_table_that_nobody_names_is_told_once(desk):
    """Once it rests; again only when another one comes under its name."""
    async with desk() as d:
        spool = d.spool()
        d.write("t.csv", TABLE)
        await spool.rescan()
        assert d.published(TableUnreferenced) == []
        for _ in range(3):
            await d.clock.advance(5)
            await spool.rescan()
        (event,) = d.published(TableUnreferenced)
        assert (event.table, event.level) == ("t.csv", Level.INFO)
        (d.incoming / "t.csv").unlink()
        await spool.rescan()
        d.write("t.csv", TABLE)
        await d.decide(spool)
        assert len(d.published(TableUnreferenced)) == 2


async def test_the_table_of_a_file_that_waits_for_a_person_stays(desk):
    """An interrupted rsync left its queue file: the table is neither called unnamed nor rejected after an hour."""
    async with desk() as d:
        spool = d.spool()
        d.write("t.csv", TABLE)
        path = d.write("a.yaml", FILE)
        os.utime(path, (0, 0))
        await d.decide(spool)
        await d.clock.advance(2 * 3600)
        await spool.rescan()
        assert d.published(TableUnreferenced) == []
        assert d.names("incoming") == ["a.yaml", "t.csv"]
        os.utime(path)
        await d.decide(spool)
        assert [event.items for event in d.accepted] == [2]


async def test_the_table_of_a_file_that_an_error_defers_stays(desk, monkeypatch):
    """The database is away for two hours: the file is accepted with its table once it is back."""
    async with desk() as d:
        spool = d.spool()
        with monkeypatch.context() as away:
            away.setattr(d.store.jobs, "known", _unavailable)
            d.write("t.csv", TABLE)
            d.write("a.yaml", FILE)
            await d.decide(spool)
            for _ in range(3):
                await d.clock.advance(3000)
                await spool.rescan()
            assert d.names("incoming") == ["a.yaml", "t.csv"]
        await d.clock.advance(60)
        await spool.rescan()
        assert d.rejected == []
        assert [event.items for event in d.accepted] == [2]


async def test_a_file_whose_table_came_late_is_waited_for_like_any_other(desk, monkeypatch):
    """What kept it for minutes is over: an error that defers it now for a second is no reason to end without it."""
    async with desk() as d:
        spool = d.spool()
        await d.rename_in(spool, "a.yaml", FILE)
        await spool.rescan()
        await d.clock.advance(50)
        d.write("t.csv", TABLE[:-1])
        await spool.rescan()
        await d.clock.advance(4)
        d.write("t.csv", TABLE)
        await spool.rescan()
        await d.clock.advance(4)
        await spool.rescan()
        await d.clock.advance(4)
        with monkeypatch.context() as away:
            away.setattr(d.store.jobs, "known", _unavailable)
            assert not await spool.rescan()
        assert spool.stale == {}
        await d.clock.advance(2)
        assert await spool.rescan()
        assert [event.items for event in d.accepted] == [2]


async def _unavailable(*_args):
    raise StoreUnavailableError("the database is away")


async def test_a_table_whose_queue_file_is_on_its_way_is_not_told(desk):
    """While a queue file lies there that is not decided, it may be the one."""
    async with desk() as d:
        spool = d.spool()
        d.write("t.csv", TABLE)
        await spool.rescan()
        await d.clock.advance(4)
        d.write("a.yaml", FILE)
        await spool.rescan()
        await d.clock.advance(4)
        await spool.rescan()
        await d.clock.advance(1)
        await spool.rescan()
        assert d.names("accepted") == ["a.yaml", "t.csv"]
        assert d.published(TableUnreferenced) == []


async def test_two_queue_files_cannot_share_a_table(desk):
    """The first takes it along; the other is told, unless another table of that name comes."""
    async with desk() as d:
        spool = d.spool()
        d.write("t.csv", TABLE)
        d.write("a.yaml", FILE)
        d.write("b.yaml", FILE.replace("name: a", "name: b"))
        await d.decide(spool)
        assert d.names("accepted") == ["a.yaml", "t.csv"]
        await d.clock.advance(60)
        await spool.rescan()
        assert "may have gone with another" in d.errors("b.yaml")["mistakes"][0]["remedy"]


async def test_one_queue_file_may_use_a_table_twice(desk):
    """Two jobs of one file read the same table."""
    async with desk() as d:
        d.write("t.csv", TABLE)
        d.write("a.yaml", FILE + FILE.replace("version: 1\njobs:\n", "").replace("name: a", "name: b"))
        await d.decide(d.spool())
        assert [event.items for event in d.accepted] == [4]


async def test_a_queue_file_that_changes_while_it_waits_is_read_again(desk):
    """Corrected on the spot, it needs its table no more."""
    async with desk() as d:
        spool = d.spool()
        await d.rename_in(spool, "a.yaml", FILE)
        await spool.rescan()
        await d.rename_in(spool, "a.yaml", HEAD + "    items: [{dataId: fil.1}]\n")
        assert await spool.rescan()
        assert d.names("accepted") == ["a.yaml"]


@pytest.mark.parametrize("name", ["t.tsv", "t.jsonl", "t.ndjson"])
async def test_every_kind_of_table_is_taken(desk, name):
    """TSV and JSON lines as well as CSV."""
    async with desk() as d:
        text = '{"dataId": "fil.1"}\n' if "json" in name else "dataId\tx\nfil.1\ty\n"
        d.write(name, text)
        d.write("a.yaml", HEAD + f"    table: {name}\n")
        await d.decide(d.spool())
        assert d.names("accepted") == ["a.yaml", name]


async def test_batches_follow_the_account(desk):
    """Batches are as large as the account, its open items and the job allow."""
    async with desk() as d:
        d.accounts["ica"] = AccountLimits("ica", 100, {"data_linking": 2})
        d.write("t.csv", TABLE + "fil.3\n")
        d.write("a.yaml", FILE)
        await d.decide(d.spool())
        job = await d.store.jobs.get("a")
        assert [batch.items for batch in await d.store.batches.of_job(job.id)] == [2, 1]
