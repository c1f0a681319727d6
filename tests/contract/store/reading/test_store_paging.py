"""What the API and the metrics ask of the store: pages that lose and repeat nothing, and counts without the items."""

from contextlib import contextmanager

from orchestrator.domain.model import JobState


async def test_pages_of_jobs_meet(scene):
    """Each page begins where the one before ended, also when jobs came in meanwhile."""
    for name in ("a", "b", "c", "d", "e"):
        await scene.add(name, items=1)
    first = await scene.store.jobs.page(limit=2)
    await scene.add("f", items=1)
    second = await scene.store.jobs.page(before=first[-1].id, limit=2)
    third = await scene.store.jobs.page(before=second[-1].id, limit=2)
    assert [[job.spec.name for job in page] for page in (first, second, third)] == [["e", "d"], ["c", "b"], ["a"]]
    assert await scene.store.jobs.page(before=third[-1].id) == []


async def test_pages_of_chosen_jobs_meet(scene):
    """A page of one state is full although others lie between."""
    for name in ("a", "b", "c"):
        await scene.add_waiting(f"{name}-waits", "nobody")
        await scene.add(f"{name}-goes", items=1)
    first = await scene.store.jobs.page(JobState.WAITING, "ica", limit=2)
    second = await scene.store.jobs.page(JobState.WAITING, "ica", before=first[-1].id, limit=2)
    assert [job.spec.name for job in (*first, *second)] == ["c-waits", "b-waits", "a-waits"]


async def test_items_can_be_read_from_anywhere(scene):
    """Behind the item of that number, in order, to the end."""
    job = await scene.add(items=5)
    after = [item.seq async for chunk in scene.store.items.stream(job.id, after=3) for item in chunk]
    assert after == [4, 5]
    assert [chunk async for chunk in scene.store.items.stream(job.id, after=5)] == []


async def test_unconfirmed_submissions_are_counted_by_account(scene):
    """Those whose outcome is unknown now, and not those that were found out about."""
    await scene.add("one", items=4)
    await scene.add("two", items=2, account="other")
    assert await scene.store.batches.unconfirmed() == {}
    await scene.lost(await scene.batch(1, "one"))
    await scene.lost(await scene.batch(2, "one"))
    assert await scene.store.batches.unconfirmed() == {"ica": 2}
    unsure = await scene.next()
    await scene.track(unsure)
    assert await scene.store.batches.unconfirmed() == {"ica": 1}


async def test_a_snapshot_is_of_one_moment(scene):
    """What is written meanwhile shows after it, however many questions are asked inside, in one transaction."""
    await scene.add(items=2)
    transactions = []

    @contextmanager
    def timed(operation):
        transactions.append(operation)
        yield

    scene.store.time_with(timed)
    async with scene.store.snapshot(), scene.store.snapshot():
        assert (await scene.job()).cancelled_at is None
        await scene.store.advance.cancel("alpha", now=scene.tick())
        assert (await scene.job()).cancelled_at is None
        assert await scene.store.jobs.unsettled_counts() != {}
    assert transactions == ["read", "write"]
    assert (await scene.job()).cancelled_at is not None
    assert transactions == ["read", "write", "read"]
