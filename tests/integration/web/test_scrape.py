"""`/metrics` of a daemon at work: true, cheap, and there when the database is not."""

import contextlib
import sqlite3

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.domain.model import Poll
from orchestrator.domain.polling.targets import Forecast
from orchestrator.store.errors import StoreUnavailableError


async def scrape(house):
    """Every sample by its name and labels."""
    answer = await house.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, *sorted(sample.labels.items())): sample.value for each in families for sample in each.samples}


def value(samples, name, **labels):
    return samples.get((f"orchestrator_{name}", *sorted(labels.items())))


async def test_the_work_shows(house):
    """Jobs and items by state, files by outcome, the budget, the time that the database takes."""
    async with house.open():
        await house.post(house.links("waits", "fil.1", "fil.2", after=["never"]), house.links("goes"))
        await house.post(house.links("bad", project="nowhere", surprise=1))
        samples = await scrape(house)
        assert value(samples, "items", account="ica", state="pending") == 3
        assert value(samples, "jobs", account="ica", state="waiting", needs="none") == 1
        assert value(samples, "queue_files_total", outcome="accepted") == 1
        assert value(samples, "queue_files_total", outcome="rejected") == 1
        assert value(samples, "budget_limit", account="ica") == 1000
        assert value(samples, "store_transaction_seconds_count", operation="write") > 0
        assert value(samples, "store_transaction_seconds_count", operation="read") > 0
        assert value(samples, "unconfirmed_submissions", account="ica") == 0
        assert house.api_key not in str(samples)


async def test_what_is_asked_on_the_wire_shows(house):
    """Requests that nobody answers are counted with the word for that."""
    async with house.open():
        await house.post(house.links("goes"))
        await house.until(lambda: any(type(event).__name__ == "RequestDone" for event in house.events))
        samples = await scrape(house)
        assert value(samples, "requests_total", account="ica", route="tokens", status="ConnectError") > 0


async def test_a_scrape_reads_no_items(house):
    """However many there are: jobs keep counters, and these are summed."""
    statements = []
    async with house.open():
        await house.post(house.links("waits", "fil.1", after=["never"]))
    async with house.open(turning=False):
        engine = house.daemon.store._database._readers.sync_engine
        await house.daemon.store.jobs.list()

        def note(_connection, _cursor, statement, *_more):
            statements.append(statement)

        sa.event.listen(engine, "before_cursor_execute", note)
        samples = await scrape(house)
        sa.event.remove(engine, "before_cursor_execute", note)
        assert value(samples, "items", account="ica", state="pending") == 1
        assert [text for text in statements if "sum(jobs.n_pending)" in text]
        assert not [text for text in statements if "FROM items" in text or "JOIN items" in text]


@pytest.mark.parametrize("error", [StoreUnavailableError("disk I/O error"), TimeoutError()])
async def test_a_scrape_does_without_the_database(error, house, monkeypatch):
    """What the process knows by itself is shown, and that the rest is missing."""
    async with house.open(turning=False):

        async def fail():
            raise error

        monkeypatch.setattr(house.daemon.store.jobs, "item_counts", fail)
        samples = await scrape(house)
        assert value(samples, "store_readable") == 0
        assert value(samples, "budget_limit", account="ica") == 1000
        assert value(samples, "items", account="ica", state="pending") is None


async def test_the_oldest_look_shows(house):
    """As the Unix time at which the question that waits longest was wanted, or last answered."""
    async with house.open(turning=False):
        schedule = house.daemon.dispatches[0]._schedule
        samples = await scrape(house)
        assert value(samples, "oldest_poll_timestamp_seconds", account="ica") is None
        poll = Poll(name="a", route="items", project="p", subjects={}, batches=(), cost=1)
        clock = house.daemon.clock
        before = clock.now() / 1e6
        schedule.want([(poll, Forecast(3600.0, 360.0, 1.0))], now=clock.monotonic() - 100)
        after = clock.now() / 1e6
        shown = value(await scrape(house), "oldest_poll_timestamp_seconds", account="ica")
        assert before - 101 < shown < after - 99


async def test_a_log_that_a_reader_keeps_from_being_emptied_shows(house):
    """Its size grows with every write while somebody reads, and is bounded again afterwards."""
    async with house.open(turning=False):
        path = house.settings.database.path
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM memory").fetchone()
            for number in range(3):
                await house.daemon.store.memory.remember("", f"large {number}", "x" * 4_000_000)
            assert value(await scrape(house), "database_wal_bytes") > 12_000_000
