"""Whoever may drop files may drop files, and nothing else: what they plant moves, blocks and overwrites nothing."""

import json
import os

import pytest
from structlog.testing import capture_logs

VICTIM = "state/orchestrator.db"


def _intent(d, *, name="victim", target="victim", folder="accepted"):
    """An intent as the daemon writes it, of a file in incoming/."""
    status = (d.incoming / "victim").stat()
    step = {"name": name, "target": target, "device": status.st_dev, "inode": status.st_ino}
    return {"folder": folder, "steps": [step]}


@pytest.mark.parametrize("forged", ["a move", "[1]", "a pipe", "a folder"])
async def test_what_lies_in_incoming_is_no_intent(desk, forged):
    """A hidden file there, whatever it says or is, moves nothing of the daemon's and keeps no file back."""
    async with desk() as d:
        victim = d.queue.parent / VICTIM
        victim.write_text("mine")
        status, planted = victim.stat(), d.incoming / ".moving.json"
        move = {"from": f"../../{VICTIM}", "device": status.st_dev, "inode": status.st_ino}
        match forged:
            case "a pipe":
                os.mkfifo(planted)
            case "a folder":
                planted.mkdir()
            case text:
                planted.write_text(text if text == "[1]" else json.dumps([move | {"to": str(d.incoming / "loot")}]))
        d.write("a.json", d.file(d.links("a")))
        assert await d.decide(d.spool())
        assert d.names("accepted") == ["a.json"]
        assert d.names("incoming") == [".moving.json"]
        assert victim.read_text() == "mine"


SPOILT = {
    "no object": lambda _: [1],
    "no steps": lambda _: {"folder": "accepted"},
    "another folder": lambda d: _intent(d, folder="results"),
    "out of its folder": lambda d: _intent(d, target="../results/victim"),
    "from elsewhere": lambda d: _intent(d, name="../incoming/victim"),
    "the folder above": lambda d: _intent(d, target=".."),
    "no name": lambda d: _intent(d, target=""),
    "a NUL": lambda d: _intent(d, target="a\0b"),
    "a name too long": lambda d: _intent(d, target="a" * 256),
    "half a character": lambda d: _intent(d, target="\ud800"),
    "no inode": lambda d: _intent(d) | {"steps": [_intent(d)["steps"][0] | {"inode": "1"}]},
    "no JSON": lambda _: None,
    "a link": lambda _: "link",
}


@pytest.mark.parametrize("how", SPOILT)
async def test_an_intent_that_is_none_is_set_aside(desk, how):
    """It is told, kept for whoever wonders, and files are taken in as if it were not there."""
    async with desk() as d:
        d.write("victim", "mine")
        state, document = d.queue.parent / "state", SPOILT[how](d)
        (state / "moving.json").write_text("{" if document is None else json.dumps(document))
        if document == "link":
            (state / "real.json").write_text(json.dumps(_intent(d)))
            (state / "moving.json").unlink()
            (state / "moving.json").symlink_to("real.json")
        d.write("a.json", d.file(d.links("a")))
        spool = d.spool()
        with capture_logs() as logged:
            await spool.rescan()
            await d.clock.advance(0.1)
            await spool.rescan()
        assert [entry["event"] for entry in logged] == ["move_journal_corrupt"]
        assert d.names("accepted") == ["a.json"]
        assert d.names("incoming") == ["victim"]
        assert sorted(path.name for path in state.glob("moving*")) == ["moving.spoilt"]


async def test_an_intent_of_ours_is_carried_out(desk):
    """The same files with nothing wrong: moved where they were meant to go."""
    async with desk() as d:
        d.write("victim", "mine")
        intent = d.queue.parent / "state/moving.json"
        intent.write_text(json.dumps(_intent(d, target="victim-7", folder="rejected")))
        await d.spool().rescan()
        assert d.names("rejected") == ["victim-7"]
        assert not intent.exists()


async def test_a_link_in_place_of_a_draft_is_not_written_through(desk):
    """Error files are written under names that nobody foresees: a link under the old one stays a link."""
    async with desk() as d:
        spool, victim = d.spool(), d.queue.parent / VICTIM
        victim.write_text("mine")
        await spool.rescan()
        (d.queue / "rejected/.a.yaml.error.json.tmp").symlink_to(victim)
        d.write("a.yaml", "a: 1\n")
        await d.decide(spool)
        assert victim.read_text() == "mine"
        assert not (d.queue / "rejected/a.yaml.error.json").is_symlink()
        assert d.errors("a.yaml")["file"] == "a.yaml"


@pytest.mark.parametrize("planted", ["a pipe", "an endless link"])
async def test_what_only_looks_like_an_error_file_is_not_read(desk, planted):
    """Dropped as such, it is rejected under that name; then a file that would have it gets another, at once."""
    async with desk() as d:
        spool, path = d.spool(), d.incoming / "a.yaml.error.json"
        if planted == "a pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        await d.decide(spool)
        d.write("a.yaml", "a: 1\n")
        await d.decide(spool)
        assert {"a-2.yaml", "a-2.yaml.error.json", "a.yaml.error.json"} <= set(d.names("rejected"))
