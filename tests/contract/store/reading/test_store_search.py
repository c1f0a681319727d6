"""Lists for people: jobs and items filtered, searched and in pages, on both databases."""

import pytest

from orchestrator.domain.model import BatchState, ItemState, JobState
from orchestrator.store.reading.item_search import SHOWN_OF_PARENT, ItemFilter
from orchestrator.store.reading.job_search import JobFilter


async def names(scene, wanted=JobFilter(), limit=50, **more):  # noqa: B008 - it is frozen
    found = await scene.store.job_search.page(wanted, limit=limit, **more)
    return [job.spec.name for job in found.jobs], found


# ---------------------------------------------------------------- jobs


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (JobFilter(), ["gamma", "Beta_1", "alpha"]),
        (JobFilter(text="BETA"), ["Beta_1"]),
        (JobFilter(text="a_1"), ["Beta_1"]),
        (JobFilter(text="%"), []),
        (JobFilter(text="a/"), []),
        (JobFilter(text="file.yaml"), ["gamma"]),
        (JobFilter(states=frozenset({JobState.QUEUED})), ["gamma", "Beta_1"]),
        (JobFilter(states=frozenset({JobState.RUNNING}), text="alpha"), ["alpha"]),
        (JobFilter(on_hold=True), ["Beta_1"]),
        (JobFilter(account="nobody"), []),
        (JobFilter(created_since=2**62), []),
    ],
)
async def test_jobs_are_found_by_every_condition(scene, wanted, expected):
    """A search takes every character as it is, in upper or lower case; the newest job comes first."""
    await scene.add("alpha")
    await scene.track()
    await scene.add("Beta_1")
    await scene.add("gamma", file="some-file.yaml")
    await scene.store.advance.pause(name="beta_1", now=scene.tick())
    assert (await names(scene, wanted))[0] == expected


async def test_pages_of_jobs_lead_forwards_and_back(scene):
    """Each job is on one page, whichever way one goes; the ends have no further page."""
    for number in range(5):
        await scene.add(f"job{number}")
    first, found = await names(scene, limit=2)
    assert (first, found.newer) == (["job4", "job3"], None)
    second, found = await names(scene, limit=2, before=found.older)
    assert second == ["job2", "job1"]
    back, newest = await names(scene, limit=2, after=found.newer)
    assert (back, newest.newer) == (first, None)
    last, found = await names(scene, limit=2, before=found.older)
    assert (last, found.older) == (["job0"], None)
    assert (await names(scene, limit=2, before=found.jobs[0].id))[0] == []


# ---------------------------------------------------------------- items


async def keys(scene, wanted=ItemFilter(), after=0, limit=3):  # noqa: B008 - it is frozen
    job = await scene.job()
    found = await scene.store.item_search.page(job.id, wanted, after=after, limit=limit)
    return [item.key for item in found.items], found


@pytest.mark.parametrize("wanted", [ItemFilter(), ItemFilter(text="K"), ItemFilter(text="k", state=ItemState.PENDING)])
async def test_pages_of_items_follow_each_other(scene, wanted):
    """Each item is on one page, in order, filtered or not."""
    await scene.add(items=8)
    seen, after = [], 0
    while after is not None:
        page, found = await keys(scene, wanted, after)
        seen += page
        after = found.next
    assert seen == [f"k{number}" for number in range(1, 9)]


async def test_items_are_found_by_state_status_and_key(scene):
    """Alone and together."""
    await scene.add(items=12)
    for batch in await scene.track_all():
        for item in await scene.store.items.of_batch(batch, with_request=False):
            state = ItemState.FAILED if item.key in ("k2", "k12") else ItemState.RUNNING
            await scene.apply_reports(scene.seen(batch, item.seq, state))
    assert (await keys(scene, ItemFilter(state=ItemState.FAILED)))[0] == ["k2", "k12"]
    assert (await keys(scene, ItemFilter(status="FAILED")))[0] == ["k2", "k12"]
    assert (await keys(scene, ItemFilter(status="failed")))[0] == []
    assert (await keys(scene, ItemFilter(text="K1")))[0] == ["k1", "k10", "k11"]
    assert (await keys(scene, ItemFilter(text="1", state=ItemState.FAILED)))[0] == ["k12"]
    assert (await keys(scene, ItemFilter(text="k_")))[0] == []
    job = await scene.job()
    assert await scene.store.item_search.number_of(job.id, "k12") == 12
    assert await scene.store.item_search.number_of(job.id, "none") is None


async def test_found_items_are_listed_below_their_parent(store, make_scene):
    """The first few of each, and all of them by the parent; a search lists them like others, with the parent's key."""
    scene = make_scene(store)
    await scene.add(items=4, batch_size=4)
    batch = await scene.track()
    found = [
        scene.seen(batch, None, ItemState.RUNNING, key=f"child{number}", remote_id=f"child{number}", parent=2)
        for number in range(SHOWN_OF_PARENT + 2)
    ]
    await scene.apply_reports(*(scene.seen(batch, seq, ItemState.RUNNING) for seq in range(1, 5)), *found)
    listed, page = await keys(scene, limit=4)
    assert (listed, page.next) == (["k1", "k2", "k3", "k4"], None)
    assert {parent: [item.key for item in under] for parent, under in page.under.items()} == {
        2: [f"child{number}" for number in range(SHOWN_OF_PARENT)]
    }
    below, page = await keys(scene, ItemFilter(parent=2), limit=100)
    assert len(below) == SHOWN_OF_PARENT + 2
    searched, page = await keys(scene, ItemFilter(text="child6"))
    assert (searched, page.parents, page.under) == (["child6"], {2: "k2"}, {})


# ---------------------------------------------------------------- batches


async def test_batches_come_in_pages_by_state(scene):
    """In the order of their numbers."""
    await scene.add(items=3, batch_size=1)
    await scene.track()
    job, pages = await scene.job(), scene.store.batch_pages
    assert [each.number for each in await pages.page(job.id, (), after=1, limit=5)] == [2, 3]
    assert [each.number for each in await pages.page(job.id, [BatchState.TRACKING], after=0, limit=5)] == [1]
    assert [each.number for each in await pages.page(job.id, [BatchState.PLANNED], after=0, limit=1)] == [2]
