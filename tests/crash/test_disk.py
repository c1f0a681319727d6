"""The disk fails: full, read-only, with errors, or forgetting what was not synced. Nothing is corrupted or lost."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from waiting import patience

from orchestrator.clock import SystemClock

FORGETFUL = Path(__file__).with_name("forgetful.py")
DAEMON = ("-m", "orchestrator", "run")
MIB = 1024 * 1024


@contextlib.contextmanager
def small_disk(path, size):
    """A disk of so many bytes."""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path):
    """Leave no byte on the disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def remount(path, how):
    """Change how a disk is mounted."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(path)], check=True)


def log_of(lab):
    """What daemons have said so far."""
    log = lab.folder / "daemon.log"
    return log.read_text() if log.exists() else ""


def sound(lab):
    """Whether the database is whole."""
    with contextlib.closing(sqlite3.connect(lab.folder / "state/orchestrator.db")) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# ---------------------------------------------------------------- full and read-only


async def test_a_full_disk_under_the_database_is_waited_out(lab, new_story, needs):
    """While there is no space nothing moves and the log says why; when there is some, all ends as it should."""
    needs("mount", root=True)
    async with lab.open():
        with small_disk(lab.folder / "state", 16 * MIB) as state:  # the log of the database takes 4 before it is reused
            story = new_story(lab)
            async with lab.daemon() as process:
                await lab.until(lambda: "daemon_started" in log_of(lab))
                fill(state / "ballast")
                story.drop()
                await lab.until(lambda: "database or disk is full" in log_of(lab))
                (state / "ballast").unlink()
                await story.cancel()
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0, log_of(lab)[-3000:]
            ended = await lab.run()
            assert ended.code == 0, ended.log[-3000:]
            story.judge()
            assert sound(lab)


@pytest.mark.parametrize("way", ["full", "read-only"])
async def test_results_that_cannot_be_written_are_written_later(way, lab, needs):
    """A full or read-only disk under results/ delays a result, told in the log, and spoils nothing."""
    needs("mount", root=True)
    async with lab.open():
        with small_disk(lab.queue / "results", 64 * 1024) as results:
            fill(results / "ballast") if way == "full" else remount(results, "ro")
            lab.drop_jobs("work.json", lab.links("links", ["fil.0a", "fil.0b"]))
            async with lab.daemon() as process:  # `--until-idle` would give up after some attempts
                await lab.until(lambda: "result_delayed" in log_of(lab))
                (results / "ballast").unlink() if way == "full" else remount(results, "rw")
                await lab.until((results / "links.json").exists)  # the last of the three
                process.terminate()
                with patience():
                    assert await process.wait() == 0
            assert lab.result("links")["job"]["state"] == "succeeded"
            assert sorted(path.name for path in results.iterdir()) == ["links.csv", "links.html", "links.json"]


async def test_a_read_only_queue_is_told_and_waited_out(lab, needs):
    """A file that cannot be moved stays where it is, is asked for once, and is moved when that is possible again."""
    needs("mount", root=True)
    async with lab.open():
        with small_disk(lab.queue, 4 * MIB) as queue:
            for name in ("incoming", "accepted", "rejected", "results"):
                (queue / name).mkdir()
            lab.drop_jobs("work.json", lab.links("links", ["fil.0a"]))
            remount(queue, "ro")
            async with lab.daemon() as process:
                await lab.until(lambda: "file_deferred" in log_of(lab))
                remount(queue, "rw")
                for moved in ("accepted/work.json", "results/links.json"):
                    await lab.until((queue / moved).exists)
                process.terminate()
                with patience():
                    assert await process.wait() == 0
            assert lab.result("links")["job"]["state"] == "succeeded"
            assert [link.sent for link in lab.simulator.truth.links().values()] == [1]


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "fault",
    [
        "fdatasync,fsync:error=EIO:when=12..16",
        "pwrite64:error=ENOSPC:when=40..60",
        "pwrite64:error=EIO:when=40..44",
        "rename,renameat,renameat2:error=EIO:when=2..3",
    ],
)
async def test_an_input_output_error_is_told_and_survived(fault, lab, new_story, needs):
    """Some calls fail as a broken disk makes them fail; the work is told to be held up, and ends as it should."""
    needs("strace")
    calls = fault.partition(":")[0]
    under = ("strace", "-D", "-f", "-qqq", "-o", str(lab.folder / "strace.log"))
    under += ("-e", f"trace={calls}", "-e", f"inject={fault}")
    async with lab.open():
        story = new_story(lab)
        story.drop()
        async with anyio.create_task_group() as group:
            group.start_soon(story.cancel)
            struck = await lab.run(under=under)
            ended = await lab.run()
        assert "(INJECTED)" in (lab.folder / "strace.log").read_text()
        assert struck.code in (0, 1), struck.log[-3000:]
        assert "task_bug" not in struck.log
        assert ended.code == 0, ended.log[-3000:]
        story.judge()
        assert sound(lab)


# ---------------------------------------------------------------- power loss


class Disk:
    """A disk that forgets what was not synced when its power goes."""

    def __init__(self, backing, mountpoint, kind="forgetful", *options):
        self.backing, self.mountpoint, self.kind, self.options = backing, mountpoint, kind, options
        for path in (backing, mountpoint):
            path.mkdir(parents=True, exist_ok=True)

    def power_on(self):
        command = [sys.executable, str(FORGETFUL), str(self.backing), str(self.mountpoint), "--type", self.kind]
        self.process = subprocess.Popen([*command, *self.options])

    async def mount(self):
        self.power_on()
        with patience():
            while not self.mountpoint.is_mount():
                assert self.process.poll() is None
                await SystemClock().sleep(0.02)

    def lose_power(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        subprocess.run(["umount", "-l", str(self.mountpoint)], check=True)

    @contextlib.asynccontextmanager
    async def mounted(self):
        await self.mount()
        try:
            yield self
        finally:
            self.lose_power()


async def test_a_power_loss_costs_nothing_that_was_promised(lab, new_story, needs):
    """Daemon and disk die together, and what was not synced is gone; again and again the work goes on where it was."""
    needs("fusermount3", "/dev/fuse", root=True)
    program, lab.program = lab.program, (str(lab.folder / "on-the-disk.py"), *lab.program[1:])
    (lab.folder / "on-the-disk.py").symlink_to(program[0])
    state, queue = (
        Disk(lab.folder / "backing/state", lab.folder / "state"),
        Disk(lab.folder / "backing/queue", lab.queue),
    )
    async with lab.open():
        story = new_story(lab)
        shutil.rmtree(lab.queue)
        lab.queue.mkdir()
        (queue.backing / "incoming").mkdir()
        await state.mount()
        await queue.mount()
        try:
            story.drop()
            for path in (lab.queue / "incoming").iterdir():
                sync(path)
            for seconds in (1.2, 1.7, 2.4, 3.5):
                if story.may_be_cancelled:  # nobody drops a file while the power fails: it would be empty afterwards
                    story.drop_cancel()
                    sync(lab.queue / "incoming/cancel.yaml")
                await lab.run(kill_after=seconds)
                state.lose_power()
                queue.lose_power()
                await state.mount()
                await queue.mount()
            async with anyio.create_task_group() as group:
                if not story.cancelled:
                    group.start_soon(story.cancel)
                ended = await lab.run()
            assert ended.code == 0, ended.log[-3000:]
            story.judge()
        finally:
            state.lose_power()
            queue.lose_power()


def sync(path):
    """As a careful program does that drops a file."""
    handle = os.open(path, os.O_RDWR)
    os.fsync(handle)
    os.close(handle)


# ---------------------------------------------------------------- folders that cannot be synced


@pytest.mark.timeout(900)
async def test_a_file_system_that_cannot_sync_folders_holds_nothing_up(lab, needs):
    """A table, results, controls and doctor all work there; log and doctor report each file system once."""
    needs("fusermount3", "/dev/fuse", root=True)
    async with lab.open():
        shutil.rmtree(lab.queue)
        state, queue = (
            Disk(lab.folder / f"backing/{name}", lab.folder / name, "forgetful", "--no-folder-sync")
            for name in ("state", "queue")
        )
        (queue.backing / "incoming").mkdir()
        async with state.mounted(), queue.mounted():
            (lab.folder / "ids.csv").write_text("dataId\nfil.0a\nfil.0b\n")
            job = {key: value for key, value in lab.links("work", []).items() if key != "items"} | {"table": "ids.csv"}
            (lab.folder / "work.json").write_text(json.dumps({"version": 1, "jobs": [job]}))
            for words in (["submit", "work.json"], ["pause", "--account", "ica"], ["resume", "--account", "ica"]):
                ended = await command(lab, *words)
                assert (ended.returncode, b"sync" in ended.stderr) == (0, False), ended.stderr
            ended = await lab.run()
            assert ended.code == 0, ended.log[-3000:]
            told = ("folder_not_synced", "file_deferred", "result_delayed", "job_settled")
            assert [ended.log.count(event) for event in told] == [2, 0, 0, 1]
            assert [link.sent for link in lab.simulator.truth.links().values()] == [1, 1]
            findings = json.loads((await command(lab, "doctor", "--json")).stdout)["findings"]
        warned = [each["result"] for each in findings if "cannot sync folders" in each["found"]]
        assert warned == ["warning"] * 5


async def command(lab, *words):
    """Run one command on the laboratory's configuration."""
    line = [sys.executable, "-m", "orchestrator", *words, "--config", str(lab.config)]
    return await anyio.run_process(line, check=False, cwd=lab.folder)


# ---------------------------------------------------------------- what is refused at the start


def garble(path):
    """Break pages in the middle of a database."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 8192 * 4096)
        file.write(os.urandom(4096) * 4)


def replace(path):
    """Put something else in the place of a database."""
    path.write_bytes(b"this is no database, but somebody may want it\n" * 100)


@pytest.mark.parametrize("spoil", [garble, replace])
async def test_a_damaged_database_is_refused_and_left_alone(spoil, lab):
    """The daemon does not start, says the way out, and leaves every byte as it was."""
    lab.program = DAEMON
    database = lab.folder / "state/orchestrator.db"
    async with lab.open():
        lab.drop_jobs("work.json", lab.links("links", ["fil.0a"]))
        assert (await lab.run()).code == 0
        spoil(database)
        before = database.read_bytes()
        ended = await lab.run()
        assert ended.code == 1
        last = ended.log.splitlines()[-1]
        assert "it was left as it is; move it away, and put a backup" in last
        assert "Traceback" not in ended.log
        assert database.read_bytes() == before


async def test_a_network_file_system_is_refused_unless_allowed(lab, needs):
    """SQLite on a network file system is refused with the reason, unless the configuration allows it."""
    needs("fusermount3", "/dev/fuse", root=True)
    lab.program = DAEMON
    async with lab.open(), Disk(lab.folder / "backing", lab.folder / "state", "sshfs").mounted():
        lab.drop_jobs("work.json", lab.links("links", ["fil.0a"]))
        refused = await lab.run()
        assert refused.code == 2
        assert "network file system (fuse.sshfs)" in refused.log
        assert list((lab.folder / "state").iterdir()) == []
        allowed = await lab.run(environ={"ORCHESTRATOR_ALLOW_NETWORK_FILE_SYSTEM": "true"})
        assert allowed.code == 0, allowed.log[-3000:]
        assert lab.result("links")["job"]["state"] == "succeeded"
