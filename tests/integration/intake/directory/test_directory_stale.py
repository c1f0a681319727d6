"""What cannot be decided stays where it is, is reported, and holds up nothing else."""

import os

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.directory.stale_files import LISTED
from orchestrator.telemetry.events import FileStays

FOREIGN = ["run.yaml.1a2b3c4d.partial", "t.csv.filepart", "run.yaml~", "a.crdownload", "run.yaml.6eF5b5da", "a b.txt"]


@pytest.mark.parametrize("name", FOREIGN)
async def test_what_ends_like_no_queue_file_is_left(desk, name):
    """An upload under way is not moved under its writer's hands; it is reported after a minute and after an hour."""
    async with desk() as d:
        spool = d.spool()
        d.write(name, "half of it")
        d.write("a.json", d.file(d.links("a")))
        assert await d.decide(spool)
        assert d.names("incoming") == [name]
        assert d.names("accepted") == ["a.json"]
        assert d.published(FileStays) == []
        for seconds, reports in ((60, 1), (3000, 1), (600, 2), (7200, 2)):
            await d.clock.advance(seconds)
            assert await spool.rescan()
            assert len(d.published(FileStays)) == reports
        assert d.published(FileStays)[0].file == name
        assert "ends in none of .yaml" in spool.stale[name]
        (d.incoming / name).rename(d.incoming / "b.json")
        await spool.rescan()
        assert spool.stale == {}


async def test_a_folder_without_a_known_ending_is_left(desk):
    """It may be somebody's; a link that ends like a queue file is rejected as before."""
    async with desk() as d:
        spool = d.spool()
        (d.incoming / "run-0172").mkdir()
        (d.incoming / "link.yaml").symlink_to("nowhere")
        assert await d.decide(spool)
        assert d.names("incoming") == ["run-0172"]
        assert "link.yaml" in d.names("rejected")


async def test_very_many_that_stay_are_reported_in_few_lines(desk):
    """One by one up to a bound, then as a number; all of them are counted."""
    async with desk() as d:
        spool = d.spool()
        for number in range(100):
            d.write(f"note-{number}.txt", "x")
        await spool.rescan()
        await d.clock.advance(60)
        await spool.rescan()
        assert len(d.published(FileStays)) == LISTED + 1
        assert f"and {99 - LISTED} more files" in d.published(FileStays)[-1].reason
        assert len(spool.stale) == 100


async def test_a_file_that_never_rests_is_reported_and_not_waited_for(desk):
    """It changes with every look: after a minute it holds up the end of `--until-idle` no longer, and is kept."""
    async with desk() as d:
        spool = d.spool()
        path = d.write("a.yaml", "version: 1\n")
        for _ in range(15):
            with path.open("a") as file:
                file.write("# more\n")
            assert not await spool.rescan()
            await d.clock.advance(4)
        with path.open("a") as file:
            file.write("# more\n")
        assert await spool.rescan()
        (event,) = d.published(FileStays)
        assert (event.file, event.seconds) == ("a.yaml", 60)
        assert "keeps changing" in event.reason
        assert d.names("incoming") == ["a.yaml"]


def _with_table(d, **more):
    job = {key: value for key, value in d.links("a", **more).items() if key != "items"}
    return d.file(job | {"table": "t.csv"})


async def test_a_table_that_grows_is_waited_for(desk):
    """Patience counts from its last change: ninety seconds of growth are no reason to reject the file that names it."""
    async with desk() as d:
        spool = d.spool()
        table = d.write("t.csv", "dataId\n")
        d.write("a.json", _with_table(d))
        for number in range(30):
            with table.open("a") as file:
                file.write(f"fil.{number}\n")
            await spool.rescan()
            await d.clock.advance(3)
        assert d.rejected == []
        assert "still growing" in d.published(FileStays)[0].reason
        await d.clock.advance(5)
        assert await spool.rescan()
        assert [event.items for event in d.accepted] == [30]


@pytest.mark.parametrize("name", [".t.csv.Ab12Cd", "t.csv.filepart", "t.csv.part", ".in.t.csv.", "~t.csv.tmp"])
async def test_a_table_that_arrives_under_another_name_is_waited_for(desk, name):
    """An upload that takes ninety seconds and is renamed at its end, as upload programs do, rejects no file."""
    async with desk() as d:
        spool = d.spool()
        upload = d.write(name, "dataId\n")
        d.write("a.json", _with_table(d))
        for number in range(30):
            with upload.open("a") as file:
                file.write(f"fil.{number}\n")
            await spool.rescan()
            await d.clock.advance(3)
        assert d.rejected == []
        assert f"still on its way, as {name}" in spool.stale["a.json"]
        upload.rename(d.incoming / "t.csv")
        await d.decide(spool)
        assert [event.items for event in d.accepted] == [30]


async def test_an_upload_that_stands_still_is_waited_for_a_minute(desk):
    """What a broken connection left, or the upload of another table, is no reason to wait."""
    async with desk() as d:
        spool = d.spool()
        d.write(".t.csv.Ab12Cd", "dataId\n")
        other = d.write(".u.csv.Ab12Cd", "dataId\n")
        d.write("a.json", _with_table(d))
        for _ in range(22):
            with other.open("a") as file:
                file.write("fil.1\n")
            await spool.rescan()
            await d.clock.advance(3)
        assert "t.csv never came" in d.rejected[0].first_error


async def test_a_table_that_never_comes_is_waited_for_a_minute(desk):
    """Then the file is rejected, as before."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", _with_table(d))
        await d.decide(spool)
        await d.clock.advance(59)
        await spool.rescan()
        assert d.rejected == []
        await d.clock.advance(1)
        await spool.rescan()
        assert "t.csv never came: this file waited for it for 60 s" in d.rejected[0].first_error


@pytest.mark.parametrize("fraction_ns", [0, 702_042_052])
@pytest.mark.parametrize("how", ["touch", "rename", "count"])
async def test_what_an_interrupted_rsync_left_waits(desk, how, fraction_ns):
    """Modified at second 0, whatever its fraction, and no matching count: it waits until it is said to be whole."""
    async with desk() as d:
        spool = d.spool()
        d.write("t.csv", "dataId\nfil.1\nfil.2\n")
        os.utime(d.incoming / "t.csv", ns=(fraction_ns, fraction_ns))
        queue_file = d.write("a.json", _with_table(d, **({"count": 2} if how == "count" else {})))
        await d.decide(spool)
        if how != "count":
            assert (d.accepted, d.rejected) == ([], [])
            await d.clock.advance(60)
            assert await spool.rescan()
            assert "modification time is 0" in d.published(FileStays)[0].reason
            if how == "touch":
                os.utime(d.incoming / "t.csv")
            else:
                queue_file.write_text(queue_file.read_text().replace("t.csv", "u.csv"))
                (d.incoming / "t.csv").rename(d.incoming / "u.csv")
            await d.decide(spool)
        assert [event.items for event in d.accepted] == [2]


async def test_batches_are_cut_by_bytes_too(desk):
    """Items of ordinary size are cut by their number, large ones so that a request stays below `batch_bytes`."""
    async with desk() as d:
        d.accounts["ica"] = AccountLimits("ica", 5000, batch_bytes=70_000)
        spool = d.spool()
        note = "x" * 30_000
        items = [{"dataId": f"fil.{number}", "note": note} for number in range(5)]
        d.write("a.json", d.file({**d.links("a"), "items": items}, d.links("b", *(f"fil.{n}" for n in range(5)))))
        await d.decide(spool)
        batches = {}
        for name in ("a", "b"):
            job = await d.store.jobs.get(name)
            batches[name] = [batch.items for batch in await d.store.batches.of_job(job.id)]
        assert batches == {"a": [2, 2, 1], "b": [5]}


async def test_an_item_that_no_request_takes_is_a_mistake(desk):
    """It is named with its size, before anything is stored."""
    async with desk() as d:
        d.accounts["ica"] = AccountLimits("ica", 5000, batch_bytes=70_000)
        spool = d.spool()
        d.write("a.json", d.file({**d.links("a"), "items": [{"dataId": "fil.1", "note": "x" * 70_000}]}))
        await d.decide(spool)
        (mistake,) = d.errors("a.json")["mistakes"]
        assert "one request takes 70000" in mistake["message"]


async def test_only_files_of_the_queue_count_as_kept_back(desk):
    """What is not for the queue is reported, and no reason to end with an error; a known ending that is held up is."""
    async with desk() as d:
        spool = d.spool()
        d.write("notes.txt", "x")
        d.write("undated.json", '{"version": 1}')
        os.utime(d.incoming / "undated.json", (0, 0))
        await d.decide(spool)
        await d.clock.advance(60)
        assert await spool.rescan()
        assert [*spool.stale] == ["notes.txt", "undated.json"]
        assert [*spool.kept_back] == [str(d.incoming / "undated.json")]
