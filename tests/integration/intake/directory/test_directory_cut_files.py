"""Files that were accepted before they were complete: reported, and never changed."""

import pytest

from orchestrator.telemetry.events import Level
from orchestrator.telemetry.job_events import FileWasCut

TABLE = "dataId\nfil.1\nfil.2\n"


def job(d, name="a"):
    given = d.links(name) | {"table": "t.csv"}
    del given["items"]
    return d.file(given)


async def accept(d, spool):
    d.write("t.csv", TABLE)
    d.write("a.json", job(d))
    await d.decide(spool)
    assert d.names("accepted") == ["a.json", "t.csv"]


@pytest.mark.parametrize(("name", "more"), [("t.csv", "fil.3\n"), ("a.json", "\n")])
async def test_a_file_that_grows_after_it_was_accepted_is_reported(desk, name, more):
    """Its writer kept it open: once, as an error, with the job and the number of bytes."""
    async with desk() as d:
        spool = d.spool()
        await accept(d, spool)
        size = (d.queue / "accepted" / name).stat().st_size
        with (d.queue / "accepted" / name).open("a") as writer:
            writer.write(more)
        for _ in range(3):
            await d.clock.advance(20)
            await spool.rescan()
        (event,) = d.published(FileWasCut)
        assert (event.file, event.jobs, event.accepted_bytes, event.level) == (name, ("a",), size, Level.ERROR)
        assert event.reason.startswith(f"it has grown to {size + len(more)} bytes since")


async def test_a_longer_table_of_the_same_name_is_reported(desk):
    """The copy was interrupted, accepted, and repeated: what is missing was never sent."""
    async with desk() as d:
        spool = d.spool()
        await accept(d, spool)
        d.write("t.csv", TABLE + "fil.3\n")
        d.write("b.json", job(d))
        await d.decide(spool)
        (event,) = d.published(FileWasCut)
        assert (event.file, event.jobs) == ("t.csv", ("a",))
        assert event.reason.startswith("a longer table of this name was dropped again")


@pytest.mark.parametrize("how", ["shorter", "the same", "late", "another name"])
async def test_ordinary_files_are_not_reported(desk, how):
    """A table of the same name for another job is no sign, nor is one that comes after ten minutes."""
    async with desk() as d:
        spool = d.spool()
        await accept(d, spool)
        text = {"shorter": "dataId\nfil.9\n", "the same": TABLE}.get(how, TABLE + "fil.3\n")
        if how == "late":
            await d.clock.advance(601)
        d.write("u.csv" if how == "another name" else "t.csv", text)
        await d.decide(spool)
        await d.clock.advance(30)
        await spool.rescan()
        assert d.published(FileWasCut) == []


async def test_a_file_that_is_taken_away_is_no_error(desk):
    """Somebody may tidy accepted/ up."""
    async with desk() as d:
        spool = d.spool()
        await accept(d, spool)
        for name in ("a.json", "t.csv"):
            (d.queue / "accepted" / name).unlink()
        await d.clock.advance(20)
        assert await spool.rescan()
        assert d.published(FileWasCut) == []
