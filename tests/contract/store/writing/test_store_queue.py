"""Which batch goes out next."""

from orchestrator.domain.model import BatchState, ItemState


async def test_priority_goes_first_then_age(scene):
    """0 before 9; among equals the older job, and within a job the lower number."""
    await scene.add("old", items=2, priority=5)
    await scene.add("urgent", items=2, priority=0)
    await scene.add("young", items=2, priority=5)
    names = [(await scene.begin()).job_name for _ in range(3)]
    assert names == ["urgent", "old", "young"]


async def test_jobs_take_turns(scene):
    """The job with the fewest items out goes first, so a large one does not hold up a small one."""
    await scene.add("large", items=6)
    await scene.add("small", items=4)
    begun = [await scene.begin() for _ in range(5)]
    assert [(batch.job_name, batch.number) for batch in begun] == [
        ("large", 1),
        ("small", 1),
        ("large", 2),
        ("small", 2),
        ("large", 3),
    ]


async def test_halves_go_out_in_the_order_they_were_made(scene):
    """Breadth first: the whole job moves on before bad items are narrowed down."""
    await scene.add(items=8, batch_size=4)
    await scene.store.advance.split(await scene.begin(), "400", now=scene.tick())
    begun = [await scene.begin() for _ in range(3)]
    assert [batch.lineage for batch in begun] == ["2", "1.1", "1.2"]


async def test_the_first_waits_for_room(scene):
    """No smaller batch of less urgent work overtakes it forever."""
    await scene.add("out", items=1)
    await scene.track()
    await scene.add("large", items=4, batch_size=4, priority=1)
    await scene.add("small", items=1, priority=2)
    assert await scene.next(room=3) is None
    assert (await scene.next(room=4)).job_name == "large"


async def test_a_batch_larger_than_the_allowance_goes_alone(scene):
    """When the allowance was cut below a batch that is planned already, it goes once nothing else is out."""
    await scene.add("alpha", items=4, batch_size=4)
    assert (await scene.next(room=2)).items == 4
    assert await scene.next(room=0) is None
    assert await scene.next(room=2, busy=["another"]) is None
    await scene.add("beta", items=1, priority=0)
    await scene.track()
    assert await scene.next(room=2) is None


async def test_a_job_at_its_own_limit_stands_aside(scene):
    """`max_open` holds back its job and no other; it goes on when its items end."""
    await scene.add("capped", items=6, max_open=3, priority=0)
    await scene.add("free", items=2)
    batch = await scene.track()
    assert (await scene.next()).job_name == "free"
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED))
    assert (await scene.next()).job_name == "capped"


async def test_busy_batches_are_not_offered(scene):
    """What another step holds is left out, whatever its state."""
    await scene.add()
    first = await scene.next()
    second = await scene.next(busy=[first.id])
    assert (first.number, second.number) == (1, 2)
    assert await scene.next(busy=[first.id, second.id]) is None


async def test_a_batch_that_goes_out_meanwhile_is_not_offered(scene):
    """What is read may be older than the end of its step, and shows it as planned."""
    await scene.add()
    first = await scene.next()

    class Ending(list):
        """Has its members once: then their steps have ended."""

        def __iter__(self):
            members = list(super().__iter__())
            self.clear()
            return iter(members)

    offered = await scene.next(busy=Ending([first.id]))
    assert offered.number == 2


async def test_what_became_of_a_lost_batch_is_found_out_without_room(scene):
    """It counts as open already; so does a blocked one that may be on the platform, and not one that was refused."""
    await scene.add(items=8)
    lost = await scene.lost()
    assert (await scene.next(room=0)).id == lost.id
    await scene.store.advance.block(lost, "not found", now=scene.tick())
    await scene.blocked()
    await scene.track()
    assert await scene.store.batches.open_items("ica") == 4


async def test_a_lost_batch_waits_for_its_time_like_any_other(scene):
    """Not before `due_at`, and then in the order of its job."""
    await scene.add(items=2)
    begun = await scene.begin()
    await scene.store.advance.lose(begun, "reset", due_at=scene.now + 60_000_000, now=scene.tick())
    assert await scene.next() is None
    scene.tick(60)
    again = await scene.next()
    assert (again.id, again.state, again.submission) == (begun.id, BatchState.UNCONFIRMED, begun.submission)


async def test_a_planned_batch_is_not_held_up_by_a_lost_one_behind_it(scene):
    """Work of a more urgent job goes first; the lost batch of a lesser one follows."""
    await scene.add("lesser", items=2, priority=9)
    await scene.lost()
    await scene.add("urgent", items=2, priority=0)
    assert (await scene.next()).job_name == "urgent"
    assert (await scene.next(room=1)).job_name == "lesser"


async def test_other_accounts_are_left_alone(scene):
    """Each account has its own queue."""
    await scene.add("alpha", account="other")
    assert await scene.next() is None
    assert await scene.store.batches.next_due("ica") is None
    assert await scene.store.batches.open_items("ica") == 0
    assert (await scene.store.batches.next("other", room=9, now=scene.now)).job_name == "alpha"
