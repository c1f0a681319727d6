"""Living and ready: what each looks at, and what neither minds."""

import os
import threading
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio
import pytest
from waiting import PATIENCE, patience

from orchestrator.clock import ManualClock, SystemClock
from orchestrator.engine.loop import Loop
from orchestrator.intake import spool, standstill
from orchestrator.intake.directory import stale_files
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import DaemonStopping
from orchestrator.web.monitoring import health as health_module
from orchestrator.web.monitoring.health import HEARTBEAT, LEAST_ROOM, LONGEST_TURN, MAX_LOOP_SILENCE, Health


@pytest.fixture(autouse=True)
def slow_checks(monkeypatch):
    """A check may take as long as the machine needs for it."""
    monkeypatch.setattr(health_module, "_PATIENCE", PATIENCE)


class Turning:
    """A part whose turns can be made to hang."""

    name = "turning"

    def __init__(self):
        self.goes = anyio.Event()
        self.goes.set()

    async def turn(self):
        await self.goes.wait()
        return 60.0


class Books:
    """A database that can be written to, or not, or that hangs."""

    def __init__(self):
        self.error = None
        self.answers = anyio.Event()
        self.answers.set()
        self.asked = 0

    async def writable(self):
        self.asked += 1
        await self.answers.wait()
        if self.error is not None:
            raise self.error


class Ward:
    """Health, and everything that it looks at, in the test's hands."""

    def __init__(self, folder):
        self.clock, self.bus = ManualClock(), Bus()
        self.part, self.store = Turning(), Books()
        self.loop = Loop(self.part, clock=self.clock, bus=self.bus, retry_delays=lambda _: 1.0)
        self.spool = SimpleNamespace(error=None)
        self.dispatch = SimpleNamespace(refusal=None)
        settings = SimpleNamespace(
            queue=SimpleNamespace(directory=folder), database=SimpleNamespace(path=folder / "state.db")
        )
        self.health = Health(
            SimpleNamespace(
                settings=settings,
                store=self.store,
                spool=self.spool,
                loops=[self.loop],
                accounts=[SimpleNamespace(name="ica", dispatch=self.dispatch)],
                clock=self.clock,
                bus=self.bus,
            )
        )

    def dead(self):
        """What keeps it from being alive."""
        return {check.name: check.error for check in self.health.alive() if check.error}

    async def unready(self):
        """What keeps it from being ready, by a fresh look."""
        await self.clock.advance(1.0)
        return {check.name: check.error for check in await self.health.ready() if check.error}


@asynccontextmanager
async def ward(folder, *, heartbeat=True):
    async with anyio.create_task_group() as group:
        on = Ward(folder)
        group.start_soon(on.loop.run)
        if heartbeat:
            group.start_soon(on.health.run)
        await anyio.wait_all_tasks_blocked()
        yield on
        group.cancel_scope.cancel()


# ---------------------------------------------------------------- living


async def test_resting_is_living(tmp_path):
    """A loop may rest for long, and one that just began a turn may take its time."""
    async with ward(tmp_path) as on:
        await on.clock.advance(300)
        assert on.dead() == {}
        on.part.goes = anyio.Event()
        await on.clock.advance(60)
        await on.clock.advance(LONGEST_TURN - 60)
        assert on.dead() == {}


async def test_a_turn_that_never_ends_is_no_life(tmp_path):
    """It shows by its name, and is over when the turn ends after all."""
    async with ward(tmp_path) as on:
        on.part.goes = anyio.Event()
        on.loop.wake()
        await on.clock.advance(LONGEST_TURN + 1)
        assert on.dead() == {"turning": "has not ended its turn for 601 s"}
        on.part.goes.set()
        await anyio.wait_all_tasks_blocked()
        assert on.dead() == {}


async def test_timers_that_do_not_fire_are_no_life(tmp_path):
    """The heart beats by a timer of its own."""
    async with ward(tmp_path, heartbeat=False) as on:
        await on.clock.advance(MAX_LOOP_SILENCE)
        assert on.dead() == {}
        await on.clock.advance(HEARTBEAT)
        assert on.dead() == {"heartbeat": "no heartbeat for 35 s"}


async def test_living_asks_no_database(tmp_path):
    """One that hangs must not have the daemon killed."""
    async with ward(tmp_path) as on:
        on.store.answers = anyio.Event()
        assert on.dead() == {}
        assert on.store.asked == 0


# ---------------------------------------------------------------- ready


async def test_ready_follows_the_database(tmp_path):
    """A full disk makes it unready, with the reason, and room makes it ready again."""
    async with ward(tmp_path) as on:
        assert await on.unready() == {}
        on.store.error = StoreUnavailableError("database or disk is full")
        assert await on.unready() == {"database": "database or disk is full"}
        on.store.error = None
        assert await on.unready() == {}


async def test_probes_do_not_wear_out_the_disk(tmp_path):
    """Any number of them within a second costs one write."""
    async with ward(tmp_path) as on:
        assert await on.unready() == {}
        for _ in range(20):
            await on.health.ready()
        assert on.store.asked == 1
        await on.clock.advance(1.0)
        await on.health.ready()
        assert on.store.asked == 2


async def test_a_database_that_hangs_is_waited_for_once(tmp_path, monkeypatch):
    """Each probe is answered in time, and no second question is asked meanwhile."""
    monkeypatch.setattr(health_module, "_PATIENCE", 0.05)
    async with ward(tmp_path) as on:
        on.store.answers = anyio.Event()
        for _ in range(2):  # the disk may be slower than that too
            assert (await on.unready())["database"] == "no answer within 0.05 s"
        assert on.store.asked == 1
        on.store.answers.set()
        with patience():
            while await on.unready():
                pass


async def test_a_disk_without_room_is_not_ready(tmp_path, monkeypatch):
    """Room for a small write that the database finds in its own file is not enough."""
    status = SimpleNamespace(f_flag=0, f_bavail=LEAST_ROOM // 4096 - 1, f_frsize=4096)
    async with ward(tmp_path) as on:
        monkeypatch.setattr(os, "statvfs", lambda _: status)
        assert await on.unready() == {"disk": f"{tmp_path} lies on a full disk"}
        status.f_bavail += 1
        assert await on.unready() == {}
        status.f_flag = os.ST_RDONLY
        assert await on.unready() == {"disk": f"{tmp_path} lies on a read-only file system"}


async def test_a_folder_that_is_gone_is_not_ready(tmp_path):
    """What the system says of it is the reason."""
    async with ward(tmp_path) as on:
        tmp_path.rmdir()
        assert "No such file" in (await on.unready())["disk"]


async def test_intake_and_stopping_count(tmp_path):
    """Work that would not be taken in must not be sent here."""
    async with ward(tmp_path) as on:
        on.spool.error = "OSError: no such folder"
        assert await on.unready() == {"intake": "OSError: no such folder"}
        on.spool.error = None
        on.bus.publish(DaemonStopping("SIGTERM"))
        assert await on.unready() == {"running": "stopping: SIGTERM"}


async def test_a_refused_credential_is_shown_and_no_reason(tmp_path):
    """Its work waits and nothing is lost; other accounts go on."""
    async with ward(tmp_path) as on:
        assert on.health.accounts() == {"ica": "open"}
        on.dispatch.refusal = "401 Unauthorized"
        assert await on.unready() == {}
        assert on.health.accounts() == {"ica": "closed: 401 Unauthorized"}


# ---------------------------------------------------------------- as they are asked


async def test_the_daemon_becomes_ready_after_its_first_look(house):
    """Before intake has looked at the folder it is alive and not ready."""
    async with house.open(turning=False):
        assert (await house.client.get("/livez")).json() == {"status": "alive"}
        answer = await house.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["reasons"][-1] == "intake: the queue directory has not been read yet"
        house.daemon.start()
        assert (await house.until_status("/readyz", 200)).json() == {"status": "ready"}


async def test_verbose_tells_everything(house):
    """Each check and each account, whether well or not."""
    async with house.open():
        answered = (await house.client.get("/readyz?verbose=1")).json()
        assert answered["checks"] == [
            {"name": name, "error": None} for name in ("running", "database", "disk", "intake")
        ]
        assert answered["accounts"] == {"ica": "open"}
        names = [check["name"] for check in (await house.client.get("/livez?verbose=1")).json()["checks"]]
        assert names == ["heartbeat", *(loop.name for loop in house.daemon.loops)]


async def test_verbose_tells_what_stays_in_incoming(house, monkeypatch):
    """Each file with its reason, a hundred at most, and it is no reason to be unready; without any there is no list."""
    monkeypatch.setattr(stale_files, "REPORTED_AFTER", (0.0, 3600.0))
    async with house.open():
        assert "incoming" not in (await house.client.get("/readyz?verbose=1")).json()
        incoming = house.folder / "queue/incoming"
        for number in range(101):
            (incoming / f"note-{number:03}.txt").write_text("x")
        clock = SystemClock()
        with patience():
            while len(house.daemon.spool.stale) < 101:
                await clock.sleep(0.01)
        answer = await house.client.get("/readyz?verbose=1")
        answered = answer.json()["incoming"]
        assert (answer.status_code, len(answered), answered["…"]) == (200, 101, "and 1 more")
        assert "ends in none of .yaml" in answered["note-000.txt"]
        assert "incoming" not in (await house.client.get("/readyz")).json()


async def test_a_name_that_is_not_utf_8_is_listed_with_the_others(house, monkeypatch):
    """As the log spells it; the answer is JSON all the same."""
    monkeypatch.setattr(stale_files, "REPORTED_AFTER", (0.0, 3600.0))
    async with house.open():
        os.close(os.open(os.fsencode(house.folder / "queue/incoming") + b"/note\xff", os.O_CREAT | os.O_WRONLY))
        clock = SystemClock()
        with patience():
            while not house.daemon.spool.stale:
                await clock.sleep(0.01)
        answer = await house.client.get("/readyz?verbose=1")
        assert (answer.status_code, "ends in none of" in answer.json()["incoming"]["note\udcff"]) == (200, True)


async def test_unready_while_the_queue_directory_is_broken(house):
    """It tells why, goes on living, and is ready again when the folder is mended."""
    async with house.open():
        incoming = house.block_incoming()
        answer = await house.until_status("/readyz", 503)
        assert answer.json()["reasons"][0].startswith("intake: ")
        assert (await house.client.get("/livez")).status_code == 200
        incoming.unlink()
        await house.until_status("/readyz", 200)


async def test_unready_while_the_queue_directory_does_not_answer(house, monkeypatch):
    """A mount that hangs raises nothing: how long nothing came of it tells; the rest of the daemon goes on."""
    asked, answers, list_folder = threading.Event(), threading.Event(), spool.list_folder

    def hanging(folder):
        asked.set()
        answers.wait()
        return list_folder(folder)

    async with house.open():
        monkeypatch.setattr(spool, "list_folder", hanging)
        try:
            await house.until(asked.is_set)
            with monkeypatch.context() as soon:
                soon.setattr(standstill, "LONGEST_STANDSTILL", 0.0)
                answer = await house.until_status("/readyz", 503)
            reasons = answer.json()["reasons"]
            assert [each for each in reasons if each.startswith("intake: has been scanning incoming/ for ")], reasons
            assert (await house.client.get("/livez")).status_code == 200
        finally:
            answers.set()
        await house.until_status("/readyz", 200)


async def test_unready_while_the_database_cannot_be_written(house):
    """A database whose folder was taken away is noticed, and one that is back is used again."""

    async def until_failing(*wanted):
        """Ask until exactly these of the two fail; the loops rest, so that nobody else opens the database."""
        clock = SystemClock()
        with patience():
            while True:
                checks = (await house.client.get("/readyz?verbose=1")).json()["checks"]
                if {each["name"] for each in checks if each["error"]} & {"database", "disk"} == {*wanted}:
                    return
                await clock.sleep(0.1)

    async with house.open(turning=False):
        state, lost = house.folder / "state", house.folder / "lost"
        (house.folder / "queue").mkdir()
        await until_failing()
        await house.daemon.store.aclose()
        state.rename(lost)
        await until_failing("database", "disk")
        lost.rename(state)
        await until_failing()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_strangers_get_no_reasons(path, house):
    """Who may not read learns whether, not why."""
    async with house.open(turning=False):
        answer = await house.client.get(f"{path}?verbose=1", headers={"X-Forwarded-For": "10.0.0.7"})
        answered = answer.json()
        if answer.status_code == 200:
            assert answered == {"status": "alive"}
        else:
            assert answered["detail"] == "not ready"
            assert set(answered) == {"type", "title", "status", "detail"}
