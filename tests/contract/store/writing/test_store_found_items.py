"""Items found at two levels: reports to a whole job, children named by their parent, ends by children."""

import pytest

from orchestrator.domain.model import BatchState, ItemReport, ItemState, Stage

TOP, MIDDLE, BOTTOM = Stage("search"), Stage("session"), Stage("analysis")


@pytest.fixture
async def followed(scene):
    """Two batches of a job that is only followed, with two items each."""
    await scene.add(first_stage=TOP, follow_only=True)
    batches = []
    while (batch := await scene.next()) is not None:
        batches.append((await scene.store.advance.follow(batch, now=scene.tick())).batch)
    return batches


def middle(batch, key, state=ItemState.RUNNING, **more):
    given = {"stage": MIDDLE, "status": state.upper(), "key": key, "remote_id": key, "to_job": True}
    return ItemReport(batch=batch.key, state=state, **given | more)


def bottom(batch, key, above, state=ItemState.RUNNING, **more):
    return middle(batch, key, state, **{"stage": BOTTOM, "parent_key": above, **more})


def top(batch, seq, *, by_children=True):
    state = ItemState.SUCCEEDED if by_children else ItemState.RUNNING
    given = {"stage": TOP, "status": None, "seq": seq, "key": f"k{seq}", "by_children": by_children}
    return ItemReport(batch=batch.key, state=state, **given)


async def by_key(scene):
    return {item.key: item for item in await scene.items()}


async def test_items_are_found_at_two_levels(scene, followed):
    """The lower one by the key of its parent, on a page of its own; leaves are counted."""
    first, _ = followed
    await scene.apply_reports(middle(first, "m", parent=1))
    await scene.apply_reports(bottom(first, "b1", "m"), bottom(first, "b2", "m"))
    items = await by_key(scene)
    assert [items[key].parent for key in ("m", "b1", "b2")] == [1, items["m"].seq, items["m"].seq]
    assert (items["k1"].found, items["m"].found, (await scene.job()).counts) == (1, 2, {"running": 2, "submitted": 3})


async def test_a_report_to_a_job_reaches_the_batch_that_has_the_item(scene, followed):
    """Asked for or found, whichever batch it is addressed to; what the job has not concerns nothing."""
    first, second = followed
    observed = await scene.apply_reports(
        middle(first, "k3"), middle(first, "nobody"), bottom(first, "b", "k4"), bottom(first, "c", "nobody")
    )
    items = await by_key(scene)
    assert (items["k3"].state, items["b"].batch, items["b"].parent) == (ItemState.RUNNING, second.number, 4)
    assert ("c" in items, observed.unknown_objects) == (False, ())


async def test_what_is_found_a_second_time_stays_under_its_first_parent(scene, followed):
    """A second selector of the job shows the same: an update, and no stray."""
    first, second = followed
    await scene.apply_reports(middle(first, "m", parent=1))
    observed = await scene.apply_reports(middle(second, "m", ItemState.ATTENTION, parent=3))
    items = await by_key(scene)
    assert (items["m"].parent, items["m"].state, observed.unknown_objects) == (1, ItemState.ATTENTION, ())


async def test_nothing_is_found_in_a_batch_that_has_settled(scene, followed):
    """Nor reported as unknown: it is followed no more."""
    first, second = followed
    await scene.apply_reports(*(middle(second, f"k{seq}", ItemState.SUCCEEDED) for seq in (3, 4)))
    observed = await scene.apply_reports(bottom(first, "b", "k3"))
    assert ("b" in await by_key(scene), observed.unknown_objects, observed.contradictions) == (False, (), ())


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ([], "succeeded"),
        (["succeeded", "succeeded"], "succeeded"),
        (["succeeded", "failed"], "partial"),
        (["failed", "aborted"], "failed"),
        (["partial", "failed"], "partial"),
    ],
)
@pytest.mark.parametrize("pages", [1, 2])
async def test_an_item_ends_as_its_children_did(scene, followed, ends, state, pages):
    """Whether their ends are on the same page, or were before."""
    first, _ = followed
    await scene.apply_reports(*(middle(first, f"m{n}", parent=1) for n in range(len(ends))))
    reports = [middle(first, f"m{n}", ItemState(end)) for n, end in enumerate(ends)]
    if pages == 1:
        await scene.apply_reports(*reports, top(first, 1))
    else:
        await scene.apply_reports(*reports)
        await scene.apply_reports(top(first, 1))
    assert (await by_key(scene))["k1"].state == state


async def test_parents_at_two_levels_are_held_on_one_page(scene, followed):
    """The leaf goes on: so do its parent, whose own end is told, and the parent of that."""
    first, _ = followed
    await scene.apply_reports(middle(first, "m", parent=1))
    await scene.apply_reports(bottom(first, "b", "m"))
    ends = [middle(first, "m", ItemState.FAILED), top(first, 1)]
    await scene.apply_reports(*ends)
    items = await by_key(scene)
    assert [items[key].state for key in ("k1", "m", "b")] == ["running", "running", "running"]
    again = await scene.apply_reports(*ends)
    assert again.changed == 0
    await scene.apply_reports(bottom(first, "b", "m", ItemState.SUCCEEDED), *ends)
    items = await by_key(scene)
    assert [items[key].state for key in ("k1", "m", "b")] == ["failed", "failed", "succeeded"]


async def test_an_end_by_children_contradicts_nothing(scene, followed):
    """Reported again after the item has ended otherwise."""
    first, _ = followed
    await scene.apply_reports(middle(first, "m", ItemState.FAILED, parent=1))
    await scene.apply_reports(top(first, 1))
    observed = await scene.apply_reports(top(first, 1))
    assert ((await by_key(scene))["k1"].state, observed.contradictions) == ("failed", ())


async def test_what_was_found_before_a_retry_is_found_again_at_two_levels(scene, followed):
    """Under the same numbers, in the new batch; until then it is history."""
    first, second = followed
    await scene.apply_reports(middle(first, "m", parent=1))
    await scene.apply_reports(bottom(first, "b", "m", ItemState.FAILED))
    await scene.apply_reports(
        middle(first, "m", ItemState.FAILED), top(first, 1), middle(first, "k2", ItemState.SUCCEEDED)
    )
    await scene.apply_reports(*(middle(second, f"k{seq}", ItemState.SUCCEEDED) for seq in (3, 4)))
    before = await by_key(scene)
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert set(await by_key(scene)) == {"k1", "k2", "k3", "k4"}
    anew = (await scene.store.advance.follow(await scene.next(), now=scene.tick())).batch
    await scene.apply_reports(bottom(anew, "b", "m"))
    await scene.apply_reports(middle(anew, "m", parent=1))
    await scene.apply_reports(bottom(anew, "b", "m"))
    items = await by_key(scene)
    assert {key: (items[key].seq, items[key].batch) for key in ("m", "b")} == {
        key: (before[key].seq, anew.number) for key in ("m", "b")
    }


@pytest.mark.parametrize("limits", [{"open_items": 4}, {"open_items": 9, "max_open": 4}])
async def test_what_was_found_takes_no_room_and_is_not_said_to(scene, limits):
    """A limit that the next batch fits into is not named as what it waits for."""
    await scene.add(items=4, batch_size=2, max_open=limits.get("max_open"))
    batch = await scene.track()
    await scene.apply_reports(*(middle(batch, f"child {number}", parent=1) for number in range(3)))
    open_items = await scene.store.batches.open_items("ica")
    assert open_items == 2
    assert await scene.store.batches.next("ica", room=limits["open_items"] - open_items, now=scene.now) is not None
    assert await scene.store.standstill.waits_for(await scene.job(), limits["open_items"]) is None
    assert "2 of 3 items" in (await scene.store.standstill.waits_for(await scene.job(), 3)).text
    (groups,) = (await scene.store.open_work.groups([batch.job])).values()
    assert {group.state: group.items for group in groups} == {BatchState.TRACKING: 2, BatchState.PLANNED: 2}
