"""Dropping files the careful way."""

import errno
import json
import os
import stat

import pytest
from structlog.testing import capture_logs

from orchestrator import durable
from orchestrator.intake.directory import dropping
from orchestrator.intake.directory.dropping import NotDroppedError, begin_draft, drop, drop_controls
from orchestrator.intake.validation.check import check

JOB = "    kind: ica.data_linking\n    account: ica\n    project: 11111111-1111-1111-1111-111111111111\n"
HEAD = "version: 1\njobs:\n  - name: a\n" + JOB
SPELLINGS = {
    "block.yaml": "# é comment\n" + HEAD + "    items:\n      - dataId: fil.1\n      - dataId: fil.2\n",
    "marked.yaml": "\ufeff# é\r\n" + (HEAD + "    items: [{dataId: fil.1}, {dataId: fil.2}]\n").replace("\n", "\r\n"),
    "marked_twice.yaml": "\ufeff\ufeff" + HEAD + "    items: [{dataId: fil.1}, {dataId: fil.2}]\n",
    "nested.yaml": HEAD + "    template: {count: 1, jobs: [{count: 2}]}\n    items:\n      - {dataId: fil.1}\n"
    "      - dataId: fil.2\n        count: 7\n",
    "nested.json": json.dumps(
        {
            "version": 1,
            "jobs": [
                {
                    "template": {"count": 1, "jobs": [{"count": 2}]},
                    "name": "count",
                    "kind": "ica.data_linking",
                    "account": "ica",
                    "project": "11111111-1111-1111-1111-111111111111",
                    "items": [{"dataId": "fil.1", "count": 7}, {"dataId": "fil.2"}],
                }
            ],
        }
    ),
    "flow.yaml": "{version: 1, jobs: [{'name': é, ".replace("é", "a")
    + "kind: ica.data_linking, account: ica, project: 11111111-1111-1111-1111-111111111111,\n"
    "  items: [{dataId: fil.1}, {dataId: fil.2}]}]}\n",
    "two.yaml": "controls: []\n" + HEAD + "    items: [{dataId: fil.1}, {dataId: fil.2}]\n"
    "  -\n    name: b\n" + JOB + "    items: [{dataId: fil.1}, {dataId: fil.2}]\n",
    "a.json": json.dumps(
        {
            "controls": [],
            "jobs": [
                {
                    "project": "11111111-1111-1111-1111-111111111111",
                    "template": {"note": 'é "}] {'},
                    "name": "a",
                    "kind": "ica.data_linking",
                    "account": "ica",
                    "items": [{"dataId": "fil.1"}, {"dataId": "fil.2"}],
                }
            ],
            "version": 1,
        },
        ensure_ascii=False,
    ),
}


LINKS = json.loads(SPELLINGS["a.json"])["jobs"][0]


@pytest.mark.parametrize("name", SPELLINGS)
async def test_count_is_written_and_nothing_else_changes(desk, tmp_path, name):
    """The dropped file says how many items there are, and still means what the original meant."""
    async with desk() as d:
        source = tmp_path / name
        source.write_text(SPELLINGS[name], newline="")
        (dropped,) = await drop([source], d.queue, d.accounts)
        text = (d.incoming / name).read_bytes().decode()
        with await check(source, d.accounts) as before, await check(d.incoming / name, d.accounts) as after:
            assert not after.mistakes, list(after.mistakes)
            assert [job.spec.digest for job in before.jobs] == [job.spec.digest for job in after.jobs]
            assert not any(job.counted for job in before.jobs)
            assert all(job.counted and job.items == 2 for job in after.jobs)
            assert dropped.jobs == tuple(job.spec.name for job in after.jobs)
        assert source.read_bytes().decode() == SPELLINGS[name]
        assert len(text) > len(SPELLINGS[name])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", HEAD + "    count: null\n    items: [{dataId: fil.1}]\n"),
        ("a.json", json.dumps(json.loads(SPELLINGS["a.json"]) | {"jobs": [LINKS | {"count": None}]})),
    ],
)
async def test_a_count_of_null_is_left_as_it_is(desk, tmp_path, name, text):
    """Beside another one it would be a key that stands twice, and the daemon would reject what was dropped."""
    async with desk() as d:
        (tmp_path / name).write_text(text)
        await drop([tmp_path / name], d.queue, d.accounts)
        assert (d.incoming / name).read_text() == text
        assert await d.decide(d.spool())
        assert d.names("accepted") == [name]


async def test_a_dropped_file_is_accepted_with_its_table(desk, tmp_path):
    """The table is found beside the file, and both are taken at the first look."""
    async with desk() as d:
        (tmp_path / "t.csv").write_text("dataId\nfil.1\n")
        (tmp_path / "a.yaml").write_text(HEAD + "    table: t.csv\n")
        (dropped,) = await drop([tmp_path / "t.csv", tmp_path / "a.yaml"], d.queue, d.accounts)
        assert (dropped.file, dropped.jobs, dropped.tables) == ("a.yaml", ("a",), ("t.csv",))
        assert d.names("incoming") == ["a.yaml", "t.csv"]
        assert "count: 1" in (d.incoming / "a.yaml").read_text()
        spool = d.spool()
        await spool.rescan()
        await d.clock.advance(1)
        assert await spool.rescan()
        assert d.names("accepted") == ["a.yaml", "t.csv"]


async def test_nothing_is_dropped_that_would_be_rejected(desk, tmp_path):
    """All mistakes of all files are told, and incoming/ stays as it was."""
    async with desk() as d:
        (tmp_path / "good.yaml").write_text(HEAD + "    items: [{dataId: fil.1}]\n")
        (tmp_path / "bad.yaml").write_text(HEAD + "    items: [{dataId: a/b}]\n    table: no.csv\n")
        (tmp_path / "orphan.csv").write_text("a\n1\n")
        files = [tmp_path / name for name in ("good.yaml", "bad.yaml", "orphan.csv", "gone.yaml")]
        with pytest.raises(NotDroppedError) as raised:
            await drop(files, d.queue, d.accounts)
        assert [str(path) for path in files[1:]] == sorted(raised.value.mistakes, key=[str(p) for p in files].index)
        assert d.names("incoming") == []


async def test_a_name_that_waits_is_never_overwritten(desk, tmp_path):
    """Neither a pending queue file nor a pending table is touched."""
    async with desk() as d:
        (tmp_path / "t.csv").write_text("dataId\nfil.1\n")
        (tmp_path / "a.yaml").write_text(HEAD + "    table: t.csv\n")
        for pending in ("t.csv", "a.yaml"):
            d.write(pending, "mine")
            with pytest.raises(NotDroppedError, match="taken"):
                await drop([tmp_path / "a.yaml"], d.queue, d.accounts)
            assert d.names("incoming") == [pending]
            assert (d.incoming / pending).read_text() == "mine"
            (d.incoming / pending).unlink()


async def test_two_files_of_one_drop_share_no_table_and_no_name(desk, tmp_path):
    """It is said which file has the table, and what to do: nothing of incoming/ is in the way."""
    async with desk() as d:
        (tmp_path / "samples.csv").write_text("dataId\nfil.1\n")
        for name in ("a", "b"):
            text = HEAD.replace("name: a", f"name: {name}") + "    table: samples.csv\n"
            (tmp_path / f"{name}.yaml").write_text(text)
        first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
        with pytest.raises(
            NotDroppedError, match=r"the table samples\.csv goes with .*a\.yaml - a table goes with one"
        ):
            await drop([first, second], d.queue, d.accounts)
        with pytest.raises(NotDroppedError, match=r"a file named a\.yaml is submitted at the same time"):
            await drop([first, first], d.queue, d.accounts)
        assert not list(d.incoming.iterdir())


async def test_a_drop_that_fails_half_way_leaves_nothing(desk, tmp_path, monkeypatch):
    """When the queue file cannot be written, its table is taken back."""
    async with desk() as d:
        (tmp_path / "t.csv").write_text("dataId\nfil.1\n")
        (tmp_path / "a.yaml").write_text(HEAD + "    table: t.csv\n")

        def full(file, inserted):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(dropping, "with_insertions", full)
        with pytest.raises(OSError, match="No space"):
            await drop([tmp_path / "a.yaml"], d.queue, d.accounts)
        assert d.names("incoming") == []


async def test_what_was_dropped_before_a_failure_is_told(desk, tmp_path, monkeypatch):
    """Of two files the first lies in incoming/ when the disk is full at the second, and whoever asked knows."""
    async with desk() as d:
        for name in ("a.yaml", "b.yaml"):
            (tmp_path / name).write_text(HEAD.replace("name: a", f"name: {name[0]}") + "    items: [{dataId: fil.1}]\n")
        real, told = dropping.with_insertions, []

        def full(file, inserted):
            if told:
                raise OSError(28, "No space left on device")
            return real(file, inserted)

        monkeypatch.setattr(dropping, "with_insertions", full)
        with pytest.raises(OSError, match="No space"):
            await drop([tmp_path / "a.yaml", tmp_path / "b.yaml"], d.queue, d.accounts, report=told.append)
        assert [each.file for each in told] == d.names("incoming") == ["a.yaml"]


def drop_text(name, text, queue):
    """Drop the text of a queue file through a draft, as the API does."""
    draft = begin_draft(name, queue)
    try:
        draft.write(text)
        draft.finish()
    finally:
        draft.discard()


def test_a_planted_link_is_not_written_through(tmp_path, monkeypatch):
    """Were a draft's name foreseen all the same, what lies under it is neither followed nor overwritten."""
    monkeypatch.setattr(durable.secrets, "token_hex", lambda _: "00000000")
    (tmp_path / "incoming").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "incoming/.a.json.00000000.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        drop_text("a.json", b"{}", tmp_path)
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(("folder", "file"), [(0o2770, 0o640), (0o0770, 0o600)])
def test_a_folder_of_a_group_lets_its_group_read_what_is_dropped(tmp_path, folder, file):
    """Whatever the umask of who drops; in any other folder the umask holds."""
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming").chmod(folder)
    before = os.umask(0o077)
    try:
        drop_text("a.json", b"{}", tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "incoming/a.json").stat().st_mode) == file


def test_drafts_are_known_by_their_names(tmp_path):
    """What a crash leaves of a drop can be told from the drafts of other programs."""
    (tmp_path / "incoming").mkdir()
    draft = dropping.begin_draft("a" * 195 + ".json", tmp_path)
    (name,) = os.listdir(tmp_path / "incoming")  # noqa: PTH208 - the hidden ones too
    draft.discard()
    assert durable.OWN_DRAFT.fullmatch(name)
    assert not any(map(durable.OWN_DRAFT.fullmatch, (".a.yaml.tmp", "a.00000000.tmp", ".a.yaml.0000000g.tmp", ".tmp")))


async def test_controls_and_texts_are_dropped(desk):
    """Commands and the API drop documents that never were files; the spool takes them at once."""
    async with desk() as d:
        drop_text("a.json", json.dumps(d.file(d.links("a"))).encode(), d.queue)
        spool = d.spool()
        await spool.rescan()
        await d.clock.advance(0.1)
        await spool.rescan()
        name = drop_controls([{"cancel": "a"}], d.queue)
        await spool.rescan()
        await d.clock.advance(0.1)
        assert await spool.rescan()
        assert d.names("accepted") == ["a.json", name]
        d.write("a.json", "mine")
        with pytest.raises(FileExistsError):
            drop_text("a.json", b"{}", d.queue)
        for bad in ("../a.json", ".a.json", "t.csv", ""):
            with pytest.raises(ValueError, match="no name"):
                drop_text(bad, b"{}", d.queue)
        assert os.listdir(d.incoming) == ["a.json"]  # noqa: PTH208 - the hidden ones too


# ---------------------------------------------------------------- folders that cannot be synced


@pytest.fixture
def folders_fail(monkeypatch):
    """Has every sync of a folder fail with an error number; files are synced as ever."""

    def fail(number):
        real = os.fsync

        def fsync(descriptor):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    return fail


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EINVAL, None),
        (errno.EBADF, None),
        (errno.EACCES, None),
        (errno.EISDIR, None),
        (errno.EIO, "Input/output error"),
    ],
)
async def test_a_file_that_lies_there_counts_as_dropped(desk, tmp_path, folders_fail, number, reason):
    """A sync that fails after the rename takes nothing back: it is dropped, with the reason where there is a danger."""
    folders_fail(number)
    async with desk() as d:
        (tmp_path / "t.csv").write_text("dataId\nfil.1\n")
        (tmp_path / "a.yaml").write_text(HEAD + "    table: t.csv\n")
        (dropped,) = await drop([tmp_path / "a.yaml"], d.queue, d.accounts)
        warned = []
        name = drop_controls([{"cancel": "a"}], d.queue, not_synced=warned.append)
        assert (dropped.not_synced, warned) == (reason, [reason] if reason else [])
        assert d.names("incoming") == sorted(["a.yaml", "t.csv", name])


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.EPERM, errno.EIO])
async def test_a_move_that_was_not_synced_is_a_move(desk, folders_fail, number, monkeypatch):
    """Each file is decided once: where folders cannot be synced at once, on a broken disk when it works again."""
    async with desk() as d:
        spool = d.spool()
        table = {key: value for key, value in d.links("a").items() if key != "items"} | {"table": "t.csv"}
        d.write("t.csv", "dataId\nfil.1\n")
        d.write("a.json", d.file(table))
        d.write("b.json", d.file(d.links("b")))
        d.write("c.json", d.file(d.links("c", "no id")))
        folders_fail(number)
        with capture_logs() as logs:
            for _ in range(3):
                await d.decide(spool)
        # A file with a table moves only after a durable note of what is moved, a rejected one after its error file.
        assert {event.file for event in d.deferred} == ({"a.json", "c.json"} if number == errno.EIO else set())
        assert all(str(d.queue.parent) in event.reason for event in d.deferred)
        assert "b.json" in d.names("accepted")
        assert any(each["event"] == "move_not_synced" for each in logs) is (number == errno.EIO)
        monkeypatch.undo()
        await d.clock.advance(60)
        await d.decide(spool)
        assert sorted(event.file for event in d.accepted) == ["a.json", "b.json"]
        assert [event.file for event in d.rejected] == ["c.json"]
        assert d.names("accepted") == ["a.json", "b.json", "t.csv"]
        assert await d.jobs() == ["a", "b"]
