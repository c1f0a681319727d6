"""What becomes of a file: accepted, rejected, known, replaced."""

import os
import socket

import pytest
from other_users import open_folder

YAML = (
    "version: 1\njobs:\n  - name: a\n    kind: ica.data_linking\n    account: ica\n"
    "    project: 11111111-1111-1111-1111-111111111111\n    items:\n      - dataId: fil.1\n"
)


@pytest.fixture
def tmp_path():
    """A folder that any user may pass through."""
    with open_folder() as folder:
        yield folder


async def test_rows_are_what_the_file_asked_for(desk):
    """The job and its items are in the database, with file and owner, before the file moves."""
    async with desk() as d:
        spool = d.spool()
        await d.rename_in(spool, "a.json", d.file(d.links("a", "fil.1", "fil.2", priority=2, max_open=1)))
        await spool.rescan()
        job = await d.store.jobs.get("A")
        assert (job.spec.file, job.spec.dropped_by, job.spec.priority) == ("a.json", str(os.getuid()), 2)
        assert (job.spec.batch_size, len(await d.store.batches.of_job(job.id))) == (1, 2)


async def test_the_error_file_tells_everything(desk):
    """Each mistake with line, path, field, message and remedy; the file lies beside it, unchanged."""
    async with desk() as d:
        text = YAML.replace("priority", "").replace("account: ica", "acount: ica") + "      - {dataId: a/b}\n"
        d.write("a.yaml", text)
        await d.decide(d.spool())
        errors = d.errors("a.yaml")
        assert (d.queue / "rejected/a.yaml").read_text() == text
        assert errors["file"] == "a.yaml"
        assert errors["more"] == 0
        by_line = {mistake["line"]: mistake for mistake in errors["mistakes"] if mistake["line"] != 3}
        assert by_line[5]["remedy"] == "did you mean `account`?"
        assert by_line[9]["path"] == "jobs[0].items[1].dataId"
        assert by_line[9]["field"] == "dataId"
        assert [event.mistakes for event in d.rejected] == [len(errors["mistakes"])]
        assert await d.jobs() == []


async def test_a_file_is_taken_as_a_whole(desk):
    """One bad job keeps the good ones beside it out."""
    async with desk() as d:
        d.write("a.json", d.file(d.links("good"), d.links("bad", "x y")))
        await d.decide(d.spool())
        assert await d.jobs() == []
        assert "a.json" in d.names("rejected")


async def test_what_is_no_file_is_moved_as_it_is_and_never_followed(desk, tmp_path):
    """Links, folders, pipes and sockets are rejected; what a link points to is untouched."""
    async with desk() as d:
        secret = tmp_path / "secret.yaml"
        secret.write_text(YAML)
        (d.incoming / "link.yaml").symlink_to(secret)
        (d.incoming / "dangling.yaml").symlink_to("nowhere")
        (d.incoming / "folder.yaml").mkdir()
        (d.incoming / "folder.yaml/inner.yaml").write_text(YAML)
        os.mkfifo(d.incoming / "pipe.yaml")
        (d.incoming / "table.csv").symlink_to(secret)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(d.incoming / "s.yaml"))
        assert await d.decide(d.spool())
        assert d.names("incoming") == []
        assert await d.jobs() == []
        rejected = d.queue / "rejected"
        assert (rejected / "link.yaml").is_symlink()
        assert (rejected / "pipe.yaml").is_fifo()
        assert (rejected / "folder.yaml/inner.yaml").read_text() == YAML
        assert secret.read_text() == YAML
        words = {
            name: d.errors(name)["mistakes"][0]["message"]
            for name in ("link.yaml", "dangling.yaml", "folder.yaml", "pipe.yaml", "s.yaml", "table.csv")
        }
        assert "symbolic link" in words["link.yaml"]
        assert "symbolic link" in words["dangling.yaml"]
        assert "symbolic link" in words["table.csv"]
        assert "folder" in words["folder.yaml"]
        assert "pipe" in words["pipe.yaml"]
        assert "socket" in words["s.yaml"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (b"a b.yaml", "a%20b.yaml"),
        (b"a\nb.yaml", "a%0Ab.yaml"),
        (b"\xff.yaml", "%FF.yaml"),
        ("é.yaml".encode(), "%C3%A9.yaml"),
        (b"a;rm -rf.yaml", "a%3Brm%20-rf.yaml"),
        (b"x" * 201 + b".yaml", "x" * 150 + "~"),
    ],
)
async def test_names_that_are_not_taken_are_spelt_safely(desk, name, kept):
    """A file of a bad name is rejected under one that can be typed and logged."""
    async with desk() as d:
        (d.incoming / os.fsdecode(name)).write_text(YAML)
        assert await d.decide(d.spool())
        found = [each for each in d.names("rejected") if not each.endswith(".error.json")]
        assert len(found) == 1
        assert found[0].startswith(kept)
        assert d.names("rejected") == [found[0], f"{found[0]}.error.json"]


async def test_a_file_that_is_too_large_is_rejected_unread(desk):
    """`max_bytes` holds for queue files and tables."""
    async with desk() as d:
        d.write("a.yaml", YAML)
        d.write("big.csv", "dataId\n" + "x\n" * 1000)
        d.write("b.yaml", YAML.replace("items:\n      - dataId: fil.1", "table: big.csv"))
        await d.decide(d.spool(max_bytes=len(YAML) - 1))
        assert {"a.yaml", "b.yaml"} <= set(d.names("rejected"))
        assert "may have" in d.errors("a.yaml")["mistakes"][0]["message"]
        assert d.errors("b.yaml")["mistakes"][0]["table"] == "big.csv"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become someone else")
async def test_a_file_that_may_not_be_read_is_rejected_with_the_way_out(desk):
    """The folder is ours, so the file can be moved; its rights are told."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.yaml", YAML).chmod(0)
        await spool.rescan()
        for folder in (d.queue, *d.queue.iterdir()):
            os.chown(folder, 65534, 65534)
        await d.clock.advance(5)
        os.seteuid(65534)
        try:
            await spool.rescan()
        finally:
            os.seteuid(0)
        assert "may not be read by user id 65534" in d.errors("a.yaml")["mistakes"][0]["message"]


async def test_the_same_content_again_changes_nothing(desk):
    """The same job from another file, in another format: accepted, and said to be known."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.yaml", YAML)
        await d.decide(spool)
        before = await d.store.jobs.get("a")
        d.write("a.yaml", YAML)
        d.write("b.json", d.file(d.links("A", "fil.1")))
        await d.decide(spool)
        assert d.names("accepted") == ["a-2.yaml", "a.yaml", "b.json"]
        assert await d.store.jobs.get("a") == before
        assert all("nothing changed" in event.note for event in d.accepted[1:])


async def test_other_content_replaces_a_job_never_sent(desk):
    """While nothing left, the newer file wins, and the log says so."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a", "fil.1")))
        await d.decide(spool)
        d.write("a.json", d.file(d.links("a", "fil.2", "fil.3")))
        await d.decide(spool)
        job = await d.store.jobs.get("a")
        assert sum(job.counts.values()) == 2
        assert "replaced" in d.accepted[-1].note


async def test_other_content_of_a_sent_job_is_rejected(desk):
    """What may have left is never replaced: the file is rejected, with a way out."""
    async with desk() as d:

        class Sent:
            """The store, after the job's first batch left."""

            def __getattr__(self, name):
                return getattr(d.store.jobs, name)

            async def known(self, names):
                from dataclasses import replace

                return {name: replace(job, sent=True) for name, job in (await d.store.jobs.known(names)).items()}

        d.write("a.json", d.file(d.links("a", "fil.1")))
        await d.decide(d.spool())
        d.write("b.json", d.file(d.links("new"), d.links("a", "fil.2")))
        await d.decide(d.spool(jobs=Sent()))
        (mistake,) = d.errors("b.json")["mistakes"]
        assert mistake["path"] == "jobs[1].name"
        assert "new name" in mistake["remedy"]
        assert await d.jobs() == ["a"]


async def test_rejected_names_are_never_overwritten(desk):
    """A second bad file of the same name lies beside the first, each with its own error file."""
    async with desk() as d:
        spool = d.spool()
        for text in ("a: 1\n", "b: 2\n"):
            d.write("a.yaml", text)
            await d.decide(spool)
        assert d.names("rejected") == ["a-2.yaml", "a-2.yaml.error.json", "a.yaml", "a.yaml.error.json"]
        assert (d.queue / "rejected/a-2.yaml").read_text() == "b: 2\n"


async def test_cycles_through_the_database_are_refused(desk):
    """A job that would wait for one that waits for it is told; a file that closes the ring is rejected."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a", after=["B"]), d.links("x")))
        await d.decide(spool)
        d.write("b.json", d.file(d.links("fine"), d.links("b", after=["c"]), d.links("c", "fil.2", after=["A"])))
        await d.decide(spool)
        (mistake,) = d.errors("b.json")["mistakes"]
        assert "wait for each other" in mistake["message"]
        assert mistake["path"] == "jobs[1].after"
        d.write("s.json", d.file(d.links("self", after=["self"])))
        await d.decide(spool)
        assert "self waits for itself" in d.errors("s.json")["mistakes"][0]["message"]
        assert await d.jobs() == ["a", "x"]


async def test_notes_are_published_with_the_verdict(desk):
    """So the log has them: an accepted file may still hold what nobody meant."""
    async with desk() as d:
        d.write("t.csv", "dataId,lab\nfil.1,x\n")
        d.write(
            "a.json",
            d.file({**{key: value for key, value in d.links("a").items() if key != "items"}, "table": "t.csv"}),
        )
        await d.decide(d.spool())
        (event,) = d.accepted
        assert event.notes == (
            "t.csv, line 1, column lab: is no known field of ica.data_linking, and is sent as it is",
        )
