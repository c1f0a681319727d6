"""Whatever happens in whatever order, the books balance and no item is lost."""

import asyncio
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.domain.lifecycle import IllegalTransitionError
from orchestrator.domain.model import BatchReport, BatchState, ItemState, JobState, Receipt, RetryPolicy
from orchestrator.store.database.engine import Database, parse
from orchestrator.store.errors import ControlRefusedError, StoreError
from orchestrator.store.store import Store

STATES = [state for state in ItemState if state not in {ItemState.PENDING, ItemState.CANCELLED}]
POLICY = RetryPolicy(attempts=2, on=frozenset({"FAILED"}))


class Play:
    """Draws what happens next, and lets it happen where it can."""

    def __init__(self, scene, data):
        self.scene = scene
        self.advance = scene.store.advance
        self.data = data

    def draw(self, strategy):
        return self.data.draw(strategy)

    async def setup(self):
        for name, spec in (
            ("alpha", {"retry": POLICY}),
            ("beta", {"stop_after_failed": 2}),
            ("gamma", {"max_open": 3}),
        ):
            await self.scene.add(name, items=self.draw(st.integers(1, 5)), batch_size=3, **spec)
        await self.scene.add_waiting("delta", "alpha")

    async def pick(self, *states):
        found = [
            batch
            for job in await self.scene.store.jobs.list()
            for batch in await self.scene.store.batches.of_job(job.id)
            if batch.state in states
        ]
        return self.draw(st.sampled_from(found)) if found else None

    async def step(self):
        acts = [
            self.send,
            self.answer,
            self.poll,
            self.word,
            self.find,
            self.mark_unconfirmed,
            self.control,
            self.restart,
            self.poll,
            self.send,
        ]
        await self.draw(st.sampled_from(acts))()

    async def send(self):
        batch = await self.scene.next(room=self.draw(st.integers(0, 8)))
        if batch is not None:
            await self.allowed(self.scene.begin(batch))

    async def mark_unconfirmed(self):
        batch = await self.pick(BatchState.SUBMITTING) or await self.scene.next(room=8)
        if batch is not None and batch.state in {BatchState.PLANNED, BatchState.SUBMITTING}:
            sent = self.scene.submission(batch)
            await self.advance.mark_unconfirmed(batch, sent, "there already", due_at=0, now=self.scene.tick())

    async def answer(self):
        batch = await self.pick(BatchState.SUBMITTING)
        if batch is None:
            return
        now = self.scene.tick()
        final = self.draw(st.booleans())
        acts = {
            "confirm": lambda: self.advance.confirm(batch, Receipt(f"R-{batch.key}", final=final), now=now),
            "release": lambda: self.advance.release(batch, "429", due_at=0, now=now),
            "lose": lambda: self.advance.lose(batch, "reset", due_at=0, now=now),
            "block": lambda: self.advance.block(batch, "403", now=now),
            "reject": lambda: (self.advance.split if batch.items > 1 else self.advance.refuse)(batch, "400", now=now),
        }
        await self.allowed(acts[self.draw(st.sampled_from(sorted(acts)))]())

    async def poll(self):
        batch = await self.pick(*BatchState)
        page = []
        for item in await self.scene.store.items.of_batch(batch, with_request=False):
            if self.draw(st.booleans()):
                remote_id = f"object-{item.seq}-{item.attempts}"
                state = self.draw(st.sampled_from(STATES))
                page.append(self.scene.seen(batch, item.seq, state, remote_id=remote_id))
        before = await self.finals()
        await self.scene.apply_reports(*page)
        for place, (state, attempts) in before.items():
            after = (await self.finals()).get(place)
            assert after == (state, attempts) or (after is None and attempts == 1), "an outcome was turned"

    async def finals(self):
        return {
            (job.spec.name, item.seq): (item.state, item.attempts)
            for job in await self.scene.store.jobs.list()
            for item in await self.scene.items(job.spec.name)
            if item.state.final
        }

    async def word(self):
        batch = await self.pick(BatchState.TRACKING, BatchState.BLOCKED, BatchState.SETTLED)
        if batch is not None:
            await self.scene.apply_reports(BatchReport(batch.key, "WORD", final=self.draw(st.booleans())))

    async def find(self):
        batch = await self.pick(BatchState.UNCONFIRMED)
        if batch is None:
            return
        items = await self.scene.store.items.of_batch(batch, with_request=False)
        found = [
            self.scene.seen(batch, item.seq, ItemState.RUNNING, remote_id=item.remote_id or f"object-{item.seq}-found")
            for item in items
            if item.remote_id or self.draw(st.booleans())
        ]
        now = self.scene.tick()
        if self.draw(st.booleans()):
            await self.advance.searched(batch, due_at=0, now=now, items=found)
        elif not found:
            await self.allowed(self.advance.renew(batch, now=now))
        elif len(found) == len(items):
            await self.advance.confirm(batch, Receipt(items=found), now=now)
        else:
            await self.advance.confirm_partly(batch, Receipt(items=found), now=now)

    async def control(self):
        name = self.draw(st.sampled_from(["alpha", "beta", "gamma", "delta"]))
        now = self.scene.tick()
        acts = {
            "cancel": lambda: self.advance.cancel(name, now=now),
            "retry": lambda: self.advance.retry(name, now=now),
            "pause": lambda: self.advance.pause(name=name, now=now),
            "resume": lambda: self.advance.resume(name=name, now=now),
            "give up": lambda: self.advance.give_up(name, now=now, user="alice", keys=self.some_keys()),
            "adopt": lambda: self.advance.adopt(name, 1, f"adopted-{now}", now=now),
        }
        await self.allowed(acts[self.draw(st.sampled_from(sorted(acts)))]())

    def some_keys(self):
        """None for all of a job's items, or a few."""
        return self.draw(st.sampled_from([(), ("k1",), ("k1", "k2")]))

    async def restart(self):
        await self.scene.store.advance.recover(self.scene.tick())

    async def allowed(self, act):
        """Some acts are refused in some states; then nothing may have changed."""
        before = [await self.scene.events(name) for name in ("alpha", "beta", "gamma", "delta")]
        try:
            await act
        except (IllegalTransitionError, ControlRefusedError):
            assert before == [await self.scene.events(name) for name in ("alpha", "beta", "gamma", "delta")]

    async def wind_down(self):
        """From wherever it is, everything can be brought to an end."""
        for _ in range(40):
            await self.advance.resume(now=self.scene.tick())
            for name in ("alpha", "beta", "gamma", "delta"):
                await self.advance.resume(name=name, now=self.scene.tick())
            await self.restart()
            for batch in await self.scene.store.batches.tracking("ica"):
                items = await self.scene.store.items.of_batch(batch, with_request=False)
                still = [item for item in items if not item.state.final]
                await self.scene.apply_reports(
                    *(self.scene.seen(batch, item.seq, ItemState.SUCCEEDED, remote_id=item.remote_id) for item in still)
                )
                await self.scene.apply_reports(BatchReport(batch.key, "DONE", final=True))
            while (batch := await self.scene.next()) is not None:
                if batch.cancelled:  # never sent again, only found
                    await self.advance.confirm(batch, Receipt(f"R-{batch.key}"), now=self.scene.tick())
                else:
                    await self.scene.track(batch)
            for job in await self.scene.store.jobs.list():
                for batch in await self.scene.store.batches.of_job(job.id):
                    if batch.state is BatchState.BLOCKED:
                        await self.advance.adopt(job.spec.name, batch.number, f"R-{batch.key}", now=self.scene.tick())
            if not await self.scene.store.moving():
                break
        left = [job for job in await self.scene.store.jobs.list() if not job.state.settled]
        assert [job.spec.name for job in left] == [], "something can never end"


async def _play(path, make_scene, data):
    database = Database.connect(parse(f"sqlite:///{path}"), read_only=False)
    try:
        scene = make_scene(Store(database))
        await scene.store.memory.instance("test-instance")
        play = Play(scene, data)
        await play.setup()
        total = {name: len(await scene.items(name)) for name in ("alpha", "beta", "gamma", "delta")}
        for _ in range(data.draw(st.integers(1, 25))):
            await play.step()
            await scene.audit()
        await play.wind_down()
        await scene.audit()
        for name, items in total.items():
            job = await scene.job(name)
            assert sum(job.counts.values()) == items, "an item was lost"
            delivered = [number for job_name, number in await scene.deliveries() if job_name == name]
            assert delivered == [job.round], "a settled job has one result to deliver"
            assert job.state is not JobState.LOADING
    finally:
        await database.aclose()


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_books_balance_whatever_happens(newest_sqlite, tmp_path_factory, make_scene, data):
    """Counters are what a recount says after every step, final items stay, and everything can be brought to an end."""
    path = tmp_path_factory.mktemp("machine") / "orchestrator.db"
    shutil.copyfile(newest_sqlite, path)
    with asyncio.Runner() as runner:
        runner.run(_play(path, make_scene, data))


def test_a_store_for_reading_does_not_write(newest_sqlite):
    """The door for writing is closed where nothing may be written."""

    async def write():
        database = Database.connect(parse(f"sqlite:///{newest_sqlite}"), read_only=True)
        try:
            with pytest.raises(StoreError, match="reading only"):
                await Store(database).memory.remember("ica", "a", "b")
        finally:
            await database.aclose()

    with asyncio.Runner() as runner:
        runner.run(write())
