"""The server of a real daemon: work sent, followed and measured over HTTP, and a stop that nobody holds up."""

import json
import os
import signal
import socket
import subprocess
import sys

import anyio
import httpx
import pytest
import typer
from processes import free_port
from waiting import PATIENCE, patience

from orchestrator.cli.sources import http, job_sources
from orchestrator.clock import SystemClock
from orchestrator.domain.model import ItemState, JobState
from orchestrator.settings import Problem, SettingsError, load
from orchestrator.store.reading.job_criteria import JobCriteria


@pytest.fixture
def port():
    """Where the daemon is to listen."""
    return free_port()


async def until(ask, wanted):
    """Ask until the answer is as wanted; fails the test when it never is."""
    clock = SystemClock()
    with patience():
        while True:
            try:
                answer = await ask()
            except httpx.TransportError:
                answer = None
            if answer is not None and wanted(answer):
                return answer
            await clock.sleep(0.1)


async def command(lab, *words):
    """Run one of the commands."""
    whole = [sys.executable, "-m", "orchestrator", *words, "--config", str(lab.config)]
    return await anyio.run_process(whole, check=False, env=dict(os.environ))


async def test_work_is_sent_followed_and_measured_over_http(lab, port):
    """From the queue file to the last item: the API, the metrics and the commands tell the same story."""
    lab.extra = {"server": {"listen": f"127.0.0.1:{port}"}}
    async with (
        lab.open(),
        lab.daemon() as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
    ):
        await until(lambda: client.get("/readyz"), lambda answer: answer.status_code == 200)
        document = {"version": 1, "jobs": [lab.links("links", ["fil.0a", "fil.0b"]), lab.analyses("runs", ["a/1"])]}
        sent = await client.post("/api/v1/queue", json=document)
        assert (sent.status_code, sent.json()["jobs"]) == (201, ["links", "runs"])

        for name in ("links", "runs"):
            await until(
                lambda name=name: client.get(f"/api/v1/jobs/{name}"),
                lambda answer: answer.json()["job"]["state"] == "succeeded",
            )
        items = (await client.get("/api/v1/jobs/links/items")).json()["items"]
        assert [(item["key"], item["status"]) for item in items] == [("fil.0a", "LINKED"), ("fil.0b", "LINKED")]

        page = await until(
            lambda: client.get("/metrics"),
            lambda answer: 'orchestrator_jobs_settled_total{state="succeeded"} 2.0' in answer.text,
        )
        assert 'orchestrator_submit_seconds_count{account="ica"} 2.0' in page.text
        assert 'orchestrator_queue_files_total{outcome="accepted"} 1.0' in page.text
        assert "process_resident_memory_bytes" in page.text
        assert "fil.0a" not in page.text

        async def accounts():
            return json.loads((await command(lab, "accounts", "--json")).stdout)

        asked = await until(accounts, lambda answer: answer["daemon"] is not None)  # None where the daemon is slow
        assert asked["daemon"]["instance"]
        assert asked["accounts"][0]["budget"]["used"] > 0
        assert asked["accounts"][0]["closed"] is False

        # A caller that stays connected, and one in the middle of its request, hold nothing up.
        middle = await anyio.connect_tcp("127.0.0.1", port)
        await middle.send(b"POST /api/v1/queue HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        await middle.send(b"Content-Length: 1000\r\n\r\n{")
        process.send_signal(signal.SIGTERM)
        with patience():
            assert await process.wait() == 0
        await middle.aclose()
        assert [path.name for path in (lab.queue / "incoming").iterdir()] == []

        told = json.loads((await command(lab, "accounts", "--json")).stdout)
        assert told["daemon"] is None
        assert told["accounts"][0]["budget"]["used"] is None
        assert b"no daemon answers" in (await command(lab, "accounts")).stdout


async def test_accounts_asks_no_other_daemon(lab, port):
    """Whoever else has the port is not believed."""
    lab.extra = {"server": {"listen": f"127.0.0.1:{port}"}}
    async with lab.open():
        await command(lab, "db", "upgrade")
        async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port) as listener:

            async def lie(stream):
                async with stream:
                    await stream.receive()
                    body = b'{"daemon": {"database": "sqlite:////elsewhere.db"}, "accounts": []}'
                    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

            async with anyio.create_task_group() as group:
                group.start_soon(listener.serve, lie)
                told = json.loads((await command(lab, "accounts", "--json")).stdout)
                group.cancel_scope.cancel()
        assert [account["name"] for account in told["accounts"]] == ["ica"]
        assert told["daemon"] is None


async def test_a_port_that_is_taken_is_wrong_use(lab, port):
    """The daemon leaves with code 2 and one line that names the address and the ways out."""
    lab.extra = {"server": {"listen": f"127.0.0.1:{port}"}}
    with socket.create_server(("127.0.0.1", port)):
        async with lab.open():
            ended = await command(lab, "run")
    assert ended.returncode == 2
    assert ended.stderr.decode().startswith(f"server.listen: cannot listen on 127.0.0.1:{port}")
    assert len(ended.stderr.decode().strip().splitlines()) == 1


@pytest.fixture
def small_disk(tmp_path, needs):
    """A disk of 8 MiB."""
    needs(root=True)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(path):
    """Write until there is no room left."""
    with path.open("wb", buffering=0) as file:
        while file.write(b"\0" * 65536):
            pass


async def test_readiness_follows_the_disk(lab, port, small_disk):
    """A full disk makes the daemon unready, not dead; with room it takes work again."""
    lab.folder = small_disk
    lab.extra = {"server": {"listen": f"127.0.0.1:{port}"}, "log": {"level": "info"}}
    url = f"http://127.0.0.1:{port}"
    async with lab.open(), lab.daemon() as process, httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        document = {"version": 1, "jobs": [lab.links("work", ["fil.1"])]}
        await until(lambda: client.get("/readyz"), lambda answer: answer.status_code == 200)
        with pytest.raises(OSError, match="No space"):
            fill(small_disk / "filler")
        unready = await until(lambda: client.get("/readyz"), lambda answer: "full" in answer.json().get("detail", ""))
        assert unready.status_code == 503
        assert (await client.get("/livez")).status_code == 200
        assert (await client.post("/api/v1/queue", json=document)).status_code == 503
        (small_disk / "filler").unlink()
        await until(lambda: client.get("/readyz"), lambda answer: answer.status_code == 200)
        assert (await client.post("/api/v1/queue", json=document)).status_code == 201
        process.send_signal(signal.SIGTERM)
        with patience():
            assert await process.wait() == 0


async def test_who_may_not_read_the_database_is_told_by_the_daemon(lab, port, monkeypatch):
    """Members of a group that may only drop work see the same jobs, batches and items."""
    lab.extra = {"server": {"listen": f"127.0.0.1:{port}"}}
    async with (
        lab.open(),
        lab.daemon() as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
    ):
        await until(lambda: client.get("/readyz"), lambda answer: answer.status_code == 200)
        lab.drop_jobs(
            "work.json", lab.links("links", [f"fil.{n:04d}" for n in range(1500)]), lab.links("one", ["fil.x"])
        )
        for name in ("links", "one"):
            await until(
                lambda name=name: client.get(f"/api/v1/jobs/{name}"),
                lambda answer: answer.status_code == 200 and answer.json()["job"]["state"] == "succeeded",
            )
        settings = load(lab.config, {}, for_daemon=False)

        async def all_of(source):
            items = [item async for page in source.items("links", ItemState.SUCCEEDED) for item in page]
            whole = json.loads(b"".join([portion async for portion in source.whole("links")]))
            return (
                await source.jobs(JobCriteria()),
                await source.jobs(JobCriteria(JobState.FAILED, "ica")),
                await source.job("one"),
                items,
                whole,
            )

        monkeypatch.setattr(http, "ANSWER_TIMEOUT", PATIENCE)
        async with job_sources.knowing(settings) as source:
            assert isinstance(source, job_sources.Database)
            read = await all_of(source)

        def denied(_settings):
            raise SettingsError([Problem("database", "permission denied")])

        monkeypatch.setattr(job_sources, "reading", denied)
        async with job_sources.knowing(settings) as source:
            assert isinstance(source, job_sources.Daemon)
            assert await all_of(source) == read
        with pytest.raises(typer.Exit):
            async with job_sources.knowing(settings) as source:
                await source.job("nobody's")
        process.terminate()
        assert await process.wait() == 0
    with pytest.raises(SettingsError, match="permission denied"):
        async with job_sources.knowing(settings):
            pass
