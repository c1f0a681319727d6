"""The lock is proved on the server that is written to: after a fail-over, and through a pooler."""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager

import anyio
import pytest
import slow_postgres
import sqlalchemy as sa
from postgres import own_folder, promoted_standby, unprivileged
from processes import free_port
from waiting import PATIENCE, patience

from orchestrator.clock import ManualClock, SystemClock
from orchestrator.store.database import lock as locks
from orchestrator.store.database.engine import parse, sync_engine
from orchestrator.store.database.lock import DaemonLock, check_pooler
from orchestrator.store.errors import LockedError, LockLostError, PoolerError
from orchestrator.store.store import Store


class Switch:
    """A TCP address that leads to one of several servers; connections that exist stay where they are."""

    def __init__(self, target):
        self.target = target
        self._streams = set()

    @asynccontextmanager
    async def open(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"postgresql://postgres@127.0.0.1:{server.sockets[0].getsockname()[1]}/newest"
        try:
            yield self
        finally:
            server.close()
            self.cut(set())

    def streams(self):
        """The connections of this moment."""
        return set(self._streams)

    def cut(self, spared):
        """End all connections but those."""
        for stream in self.streams() - spared:
            stream.transport.abort()

    async def _serve(self, reader, writer):
        if self.target is None:
            writer.transport.abort()
            return
        port = sa.make_url(self.target).port
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        self._streams.add(writer)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._copy, reader, far_writer, group.cancel_scope)
                group.start_soon(self._copy, far_reader, writer, group.cancel_scope)
        finally:
            self._streams.discard(writer)
            for each in (writer, far_writer):
                each.transport.abort()

    async def _copy(self, source, target, both):
        try:
            while piece := await source.read(65536):
                target.write(piece)
                await target.drain()
        except OSError:
            pass
        both.cancel()


@pytest.fixture(scope="session")
def promoted(postgres):
    """A second server: the standby of the first, promoted while that lives on."""
    with promoted_standby(postgres) as server:
        yield server


@asynccontextmanager
async def working(url, state):
    """A store as the daemon opens it, with its lock."""
    async with DaemonLock(state, url) as lock, Store.opened(url, state_directory=state, fence=lock.fence) as store:
        yield lock, store


def remembered(server):
    """What the probe wrote on that very server."""
    engine = sync_engine(parse(f"{server}/newest"))
    with engine.begin() as connection:
        found = connection.execute(sa.text("SELECT value FROM memory WHERE name = 'probe'")).scalars().all()
    engine.dispose()
    return found


# ---------------------------------------------------------------- fail-over


async def test_a_writer_that_reaches_another_server_writes_nothing(postgres_url, postgres, promoted, tmp_path):
    """Its lock is held on the old server, whose session lives on; a second daemon is let in on the new one."""
    async with Switch(postgres).open() as switch, working(switch.url, tmp_path / "one") as (lock, store):
        held = switch.streams()
        await store.memory.remember("", "probe", "first")
        switch.target = promoted
        switch.cut(held)
        async with working(switch.url, tmp_path / "two") as (_, second):
            await second.memory.remember("", "probe", "second")
            with pytest.raises(LockLostError, match="written to"):
                await store.memory.remember("", "probe", "third")
            assert lock.fence.lost.is_set()
        assert (remembered(postgres), remembered(promoted)) == (["first"], ["second"])


async def test_a_reader_that_reaches_another_server_reads_nothing(postgres_url, postgres, promoted, tmp_path):
    """What another daemon did there is not mixed with what is known here."""
    async with Switch(postgres).open() as switch, working(switch.url, tmp_path) as (_, store):
        switch.target = promoted
        with pytest.raises(LockLostError, match="another server"):
            await store.jobs.list()


async def test_a_writer_that_reconnects_to_the_same_server_works_on(postgres_url, postgres, tmp_path):
    """A broken connection is no lost lock as long as its session lives."""
    async with Switch(postgres).open() as switch, working(switch.url, tmp_path) as (_, store):
        held = switch.streams()
        await store.memory.remember("", "probe", "first")
        await store.jobs.list()
        switch.cut(held)
        await store.memory.remember("", "probe", "second")
        assert await store.jobs.list() == []
        assert remembered(postgres) == ["second"]


async def test_an_idle_daemon_notices_a_fail_over(postgres_url, postgres, promoted, tmp_path):
    """All its connections live on, on the old server: new ones that lead elsewhere end it at the next check."""
    clock = ManualClock()
    async with Switch(postgres).open() as switch, DaemonLock(tmp_path, switch.url) as lock:

        async def idle():
            async with anyio.create_task_group() as group:
                group.start_soon(lock.watch, clock)
                await clock.advance(6)
                switch.target = promoted
                while True:
                    await clock.advance(6)

        with patience(), pytest.raises(ExceptionGroup) as lost:
            await idle()
        assert lost.group_contains(LockLostError, match="another server")


async def test_an_address_that_takes_no_connections_is_borne_for_a_minute(
    postgres_url, postgres, tmp_path, monkeypatch
):
    """A server at its limit of connections ends nothing at once; after a minute the lock counts as lost."""
    clock, answers = ManualClock(), []
    async with Switch(postgres).open() as switch, DaemonLock(tmp_path, switch.url) as lock:
        held_at = lock._held_at_address

        async def noted(*given):
            answers.append(await held_at(*given))
            return answers[-1]

        monkeypatch.setattr(lock, "_held_at_address", noted)

        async def check():
            count = len(answers)
            await clock.advance(locks._WATCH_INTERVAL)
            while len(answers) == count:
                await anyio.lowlevel.checkpoint()

        async def play():
            async with anyio.create_task_group() as group:
                group.start_soon(lock.watch, clock)
                switch.target = None
                for _ in range(6):
                    await check()
                switch.target = postgres
                await check()
                switch.target = None
                for _ in range(40):
                    await check()

        with patience(), pytest.raises(ExceptionGroup) as lost:
            await play()
        assert lost.group_contains(LockLostError, match="not known")
        assert answers == [None] * 6 + [True] + [None] * 13


async def test_a_new_holder_waits_for_the_transactions_of_the_one_before(postgres_url, tmp_path):
    """A transaction that proved the lock just before its session ended is over before anybody else begins."""
    async with working(postgres_url, tmp_path / "one") as (lock, store):
        entered = anyio.Event()

        async def enter():
            async with DaemonLock(tmp_path / "two", postgres_url):
                entered.set()

        async with anyio.create_task_group() as group, store._database.write():
            await lock._connection.execute(sa.text("SELECT pg_advisory_unlock_all()"))
            group.start_soon(enter)
            with patience():
                while not waiting_for_a_lock(postgres_url):
                    await SystemClock().sleep(0.01)
            assert not entered.is_set()
        assert entered.is_set()


def waiting_for_a_lock(url):
    """Whether a session waits for an advisory lock."""
    engine = sync_engine(parse(url))
    with engine.begin() as connection:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        count = connection.execute(sa.text(query)).scalar_one()
    engine.dispose()
    return count > 0


async def test_of_two_daemons_the_one_on_the_old_server_ends(postgres_url, postgres, promoted, lab):
    """As processes: the first leaves with one line that says why, the second works on."""
    lab.program = (slow_postgres.PROGRAM, "run")
    async with Switch(postgres).open() as switch:
        lab.extra = {"database": switch.url}
        async with lab.open(), lab.daemon() as first:
            await lab.until(lambda: "daemon_started" in log_of(lab))
            switch.target = promoted
            with patience():
                assert await first.wait() == 1
            last = log_of(lab).splitlines()[-1]
            assert "another server" in last or "is lost" in last
            assert "Traceback" not in log_of(lab)
            async with lab.daemon() as second:
                await lab.until(lambda: log_of(lab).count("daemon_started") == 2)
                assert second.returncode is None


def log_of(lab):
    return (lab.folder / "daemon.log").read_text()


# ---------------------------------------------------------------- poolers


@asynccontextmanager
async def pooler(server, mode, size):
    """PgBouncer before a server; the URL of the database through it."""
    target = sa.make_url(server)
    with own_folder() as folder:
        port = free_port()
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "bouncer.ini").write_text(
            f"[databases]\nnewest = host=127.0.0.1 port={target.port} dbname=newest\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
            f"auth_file = {folder}/users\npool_mode = {mode}\ndefault_pool_size = {size}\nlogfile = {folder}/log\n"
            f"server_connect_timeout = {PATIENCE:.0f}\nclient_login_timeout = {PATIENCE:.0f}\nquery_wait_timeout = 0\n"
        )
        process = subprocess.Popen(  # noqa: ASYNC220 - it only begins here
            ["pgbouncer", "-q", str(folder / "bouncer.ini")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **unprivileged(),
        )
        try:
            with patience():
                while not await answers(port):
                    assert process.poll() is None, (folder / "log").read_text()
                    await SystemClock().sleep(0.02)
            yield f"postgresql://postgres@127.0.0.1:{port}/newest"
        finally:
            process.kill()
            process.wait()


async def answers(port):
    """Whether something listens there."""
    try:
        await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("size", [1, 2, 8])
async def test_a_pooler_in_transaction_mode_is_refused(postgres_url, postgres, tmp_path, needs, size):
    """However many connections it has: a lock would be that of whoever comes next. Nothing stays locked behind it."""
    needs("pgbouncer")
    async with pooler(postgres, "transaction", size) as url:
        for _ in range(2):
            with pytest.raises(PoolerError, match="session mode"):
                await DaemonLock(tmp_path, url).__aenter__()
            with pytest.raises(PoolerError, match="session mode"):
                await check_pooler(url)
        async with DaemonLock(tmp_path, postgres_url):
            pass


async def test_a_pooler_in_session_mode_will_do(postgres_url, postgres, tmp_path, needs):
    """There each connection keeps its session, and a second daemon is refused as ever."""
    needs("pgbouncer")
    async with pooler(postgres, "session", 20) as url:
        await check_pooler(url)
        async with working(url, tmp_path / "one") as (_, store):
            await store.memory.remember("", "probe", "through the pooler")
            with pytest.raises(LockedError):
                await DaemonLock(tmp_path / "two", url).__aenter__()
        assert remembered(postgres) == ["through the pooler"]


async def test_run_and_doctor_refuse_a_pooler_in_transaction_mode(postgres_url, postgres, lab, needs):
    """One line and exit code 2 at the start; doctor finds it wrong."""
    needs("pgbouncer")
    lab.program = (slow_postgres.PROGRAM, "run")
    async with pooler(postgres, "transaction", 1) as url:
        lab.extra = {"database": url}
        async with lab.open():
            ended = await lab.run()
            assert (ended.code, len(ended.log.splitlines())) == (2, 1), ended.log
            assert "transaction mode" in ended.log
            command = [sys.executable, slow_postgres.PROGRAM, "doctor", "--json", "--config", str(lab.config)]
            found = json.loads((await anyio.run_process(command, check=False)).stdout)["findings"]
        (database,) = [each for each in found if each["check"] == "database"]
        assert (database["result"], "transaction mode" in database["found"]) == ("wrong", True)
