"""How jobs come into the store."""

import pytest
from stages import Stage

from orchestrator.domain.identity import batch_key
from orchestrator.domain.model import After, BatchState, ItemState, JobState, Needs, NewItem
from orchestrator.store.errors import AlreadySentError, DuplicateKeyError, NameTakenError, StoreError


async def test_a_job_is_not_there_before_its_commit(scene):
    """What is loaded and not committed is in no list, takes no name, and is not submitted."""
    await scene.load("alpha")
    assert await scene.store.jobs.get("alpha") is None
    assert await scene.store.jobs.list() == []
    assert await scene.store.jobs.known(["alpha"]) == {}
    assert await scene.next() is None


async def test_commit_slices_the_items_into_batches(scene):
    """Batches are made of `batch_size` items in their order, with keys that follow from instance, name and number."""
    job = await scene.add("alpha", items=5)
    batches = await scene.batches()
    assert [(each.number, each.items, each.open, each.creating, each.lineage) for each in batches] == [
        (1, 2, 2, 2, "1"),
        (2, 2, 2, 2, "2"),
        (3, 1, 1, 1, "3"),
    ]
    assert [each.key for each in batches] == [batch_key("test-instance", "alpha", str(n), 0) for n in (1, 2, 3)]
    assert job.state is JobState.QUEUED
    assert job.counts == {ItemState.PENDING: 5}
    assert [item.batch for item in await scene.items()] == [1, 1, 2, 2, 3]


async def test_a_job_reads_back_as_it_was_asked_for(scene, retry_twice):
    """The specification of a job survives the store unchanged, without regard to the case of its name."""
    spec = scene.spec(
        "Alpha",
        engine="nextflow",
        after=After(("beta", "Gamma"), frozenset({JobState.SUCCEEDED, JobState.PARTIAL})),
        priority=2,
        max_open=7,
        stop_after_failed=3,
        retry=retry_twice,
        file="a.yaml",
        dropped_by="1000",
    )
    job = await scene.store.jobs.load(spec, scene.tick())
    await scene.store.jobs.add_items(job, scene.new_items(1))
    await scene.store.jobs.commit([job], scene.tick())
    stored = await scene.job("aLPHA")
    assert (stored.spec, stored.state, stored.round, stored.sent_at) == (spec, JobState.WAITING, 1, None)


async def test_links_begin_at_the_stage_of_links(scene):
    """An item of a linking job speaks of a link from the first, and none of its items is being created."""
    await scene.add("alpha", kind="ica.data_linking")
    assert {item.stage for item in await scene.items()} == {Stage.LINK}
    assert {each.creating for each in await scene.batches()} == {0}


async def test_several_jobs_are_made_real_together_or_not_at_all(scene):
    """A name that is taken undoes the whole commit."""
    await scene.add("beta")
    loads = [await scene.load("alpha"), await scene.load("BETA")]
    with pytest.raises(NameTakenError, match="BETA"):
        await scene.store.jobs.commit(loads, scene.tick())
    assert await scene.store.jobs.get("alpha") is None
    await scene.store.jobs.commit(loads[:1], scene.tick())
    assert (await scene.job("alpha")).state is JobState.QUEUED


async def test_two_jobs_of_one_commit_cannot_share_a_name(scene):
    """The second of one name is refused, though neither was there before."""
    loads = [await scene.load("alpha"), await scene.load("Alpha")]
    with pytest.raises(NameTakenError):
        await scene.store.jobs.commit(loads, scene.tick())
    assert await scene.store.jobs.list() == []


async def test_a_commit_is_not_made_twice(scene):
    """Committing again what is committed is refused and changes nothing."""
    job = await scene.load("alpha")
    await scene.store.jobs.commit([job], scene.tick())
    with pytest.raises(StoreError, match="not being loaded"):
        await scene.store.jobs.commit([job], scene.tick())
    assert len(await scene.batches()) == 2


async def test_an_empty_job_is_not_committed(scene):
    """A job without items would never settle, so it is refused."""
    job = await scene.store.jobs.load(scene.spec(), scene.tick())
    with pytest.raises(StoreError, match="no items"):
        await scene.store.jobs.commit([job], scene.tick())


async def test_a_key_given_twice_names_both_items(scene):
    """The error tells the key and the numbers of both items, within a chunk and across chunks."""
    job = await scene.store.jobs.load(scene.spec(), scene.tick())
    twice = [NewItem(1, "same", b"{}"), NewItem(2, "other", b"{}"), NewItem(3, "same", b"{}")]
    with pytest.raises(DuplicateKeyError) as within:
        await scene.store.jobs.add_items(job, twice)
    assert (within.value.key, within.value.first, within.value.second) == ("same", 1, 3)
    await scene.store.jobs.add_items(job, twice[:2])
    with pytest.raises(DuplicateKeyError) as across:
        await scene.store.jobs.add_items(job, twice[2:])
    assert (across.value.key, across.value.first, across.value.second) == ("same", 1, 3)


async def test_the_same_items_again_change_nothing(scene):
    """A chunk whose answer was lost may be added once more."""
    job = await scene.store.jobs.load(scene.spec(), scene.tick())
    for _ in range(2):
        await scene.store.jobs.add_items(job, scene.new_items(3))
    await scene.store.jobs.commit([job], scene.tick())
    assert (await scene.job()).counts == {ItemState.PENDING: 3}


async def test_one_number_cannot_stand_for_two_items(scene):
    """Another key under a known number is a bug of the caller and told as such."""
    job = await scene.store.jobs.load(scene.spec(), scene.tick())
    await scene.store.jobs.add_items(job, [NewItem(1, "a", b"{}")])
    with pytest.raises(StoreError, match="clash"):
        await scene.store.jobs.add_items(job, [NewItem(1, "b", b"{}")])


async def test_items_cannot_be_added_to_a_committed_job(scene):
    """What is real does not grow."""
    job = await scene.add()
    with pytest.raises(StoreError, match="not being loaded"):
        await scene.store.jobs.add_items(job.id, [NewItem(9, "k9", b"{}")])


async def test_what_was_loaded_in_part_is_forgotten_at_the_start(scene):
    """A process that died while it loaded leaves nothing behind, and real jobs stay."""
    await scene.load("alpha")
    await scene.load("beta")
    await scene.add("gamma")
    assert await scene.store.jobs.abandon_all_loading() == 2
    assert await scene.store.jobs.abandon_all_loading() == 0
    assert [job.spec.name for job in await scene.store.jobs.list()] == ["gamma"]


async def test_abandon_spares_what_is_committed(scene):
    """Only loads are abandoned, even when a committed job is named."""
    job = await scene.add("alpha")
    load = await scene.load("beta")
    await scene.store.jobs.abandon([job.id, load])
    with pytest.raises(StoreError):
        await scene.store.jobs.commit([load], scene.tick())
    assert (await scene.job("alpha")).id == job.id


async def test_a_job_that_was_never_sent_may_be_replaced(scene):
    """Other content takes the place of the old in one transaction, under the same keys."""
    old = await scene.add("alpha", items=4)
    keys = [batch.key for batch in await scene.batches()]
    new = await scene.load("ALPHA", items=3)
    await scene.store.jobs.commit([new], scene.tick(), replaces=[old.id])
    job = await scene.job("alpha")
    assert (job.id, job.spec.name, job.counts) == (new, "ALPHA", {ItemState.PENDING: 3})
    assert [batch.key for batch in await scene.batches()] == keys


async def test_a_job_that_was_sent_cannot_be_replaced(scene):
    """One send is enough, even between the question and the commit; the old job stays as it is."""
    old = await scene.add("alpha")
    assert (await scene.store.jobs.known(["Alpha"]))["alpha"].sent is False
    new = await scene.load("alpha")
    await scene.begin()
    with pytest.raises(AlreadySentError):
        await scene.store.jobs.commit([new], scene.tick(), replaces=[old.id])
    assert (await scene.store.jobs.known(["Alpha"]))["alpha"].sent is True
    assert (await scene.job("alpha")).id == old.id


async def test_jobs_of_one_moment_keep_their_order(scene):
    """Jobs that were loaded within one millisecond are listed and sent in the order of their file."""
    loads = []
    for number in range(20):
        job = await scene.store.jobs.load(scene.spec(f"job-{number}"), scene.now)
        await scene.store.jobs.add_items(job, scene.new_items(1))
        loads.append(job)
    await scene.store.jobs.commit(loads, scene.now)
    assert [job.spec.name for job in await scene.store.jobs.list()] == [f"job-{n}" for n in reversed(range(20))]
    assert (await scene.next()).job_name == "job-0"


# ---------------------------------------------------------------- many at a time


async def test_many_jobs_are_loaded_as_if_one_by_one(scene):
    """Items of several jobs in one portion, more than a statement takes, come to their own jobs, whole and in order."""
    sizes = {"alpha": 2050, "beta": 1, "gamma": 149}
    loads = await scene.store.jobs.load_all([scene.spec(name, batch_size=100) for name in sizes], scene.tick())
    first, *rest = [(load, scene.new_items(size)) for load, size in zip(loads, sizes.values(), strict=True)]
    await scene.store.jobs.add_all([(first[0], first[1][:30])])
    await scene.store.jobs.add_all([(first[0], first[1][30:]), *rest])
    await scene.store.jobs.commit(loads, scene.tick())
    for name, size in sizes.items():
        stream = scene.store.items.stream((await scene.job(name)).id, with_request=True)
        items = [item async for chunk in stream for item in chunk]
        assert [(item.key, item.request) for item in items] == [(f"k{n}", b'{"n":%d}' % n) for n in range(1, size + 1)]
        assert [item.batch for item in items] == [(seq + 99) // 100 for seq in range(1, size + 1)]
        assert [(each.number, each.items) for each in await scene.batches(name)] == [
            (number, min(100, size - 100 * number + 100)) for number in range(1, (size + 99) // 100 + 1)
        ]
        assert (await scene.job(name)).counts == {ItemState.PENDING: size}


async def test_a_key_given_twice_is_told_of_one_among_many_jobs(scene):
    """The same key in two jobs is nothing; twice in one of them is, and then nothing of the portion is there."""
    loads = await scene.store.jobs.load_all([scene.spec(name) for name in ("alpha", "beta")], scene.tick())
    twice = [NewItem(1, "same", b"{}"), NewItem(2, "same", b"{}")]
    with pytest.raises(DuplicateKeyError):
        await scene.store.jobs.add_all([(loads[0], twice[:1]), (loads[1], twice)])
    await scene.store.jobs.add_all([(load, twice[:1]) for load in loads])
    await scene.store.jobs.commit(loads, scene.tick())
    assert [len(await scene.items(name)) for name in ("alpha", "beta")] == [1, 1]


async def test_portions_of_several_jobs_again_change_nothing(scene):
    """A portion whose answer was lost may be added once more, whatever it was made of."""
    loads = await scene.store.jobs.load_all([scene.spec(name) for name in ("alpha", "beta")], scene.tick())
    for _ in range(2):
        await scene.store.jobs.add_all([(load, scene.new_items(2)) for load in loads])
    await scene.store.jobs.commit(loads, scene.tick())
    assert [len(await scene.items(name)) for name in ("alpha", "beta")] == [2, 2]


async def test_jobs_of_one_commit_find_what_they_wait_for(scene):
    """In one file: jobs that wait for a neighbour, for a job long done, for a failure; and one that does not wait."""
    await scene.add("done", items=1)
    await scene.finish("done")
    await scene.add("failed", items=1)
    await scene.finish("failed", state=ItemState.FAILED)
    waits = {"alpha": ("beta",), "beta": (), "gamma": ("DONE",), "delta": ("failed",), "epsilon": ("delta", "done")}
    specs = [scene.spec(name, after=After(names) if names else None) for name, names in waits.items()]
    loads = await scene.store.jobs.load_all(specs, scene.tick())
    await scene.store.jobs.add_all([(load, scene.new_items(1)) for load in loads])
    changed = await scene.store.jobs.commit(loads, scene.tick())
    states = {"alpha": "waiting", "beta": "queued", "gamma": "queued", "delta": "skipped", "epsilon": "skipped"}
    assert {name: str((await scene.job(name)).state) for name in waits} == states
    assert {change.name: str(change.state) for change in changed} == states


# ---------------------------------------------------------------- jobs that wait for others


async def test_a_job_waits_for_one_that_is_not_dropped_yet(scene):
    """A name nobody knows is waited for; when that job succeeds, the waiting one is queued."""
    assert (await scene.add_waiting("beta", "ALPHA")).state is JobState.WAITING
    await scene.add("alpha", items=2)
    assert (await scene.next()).job_name == "alpha"
    await scene.end(await scene.track())
    assert (await scene.job("beta")).state is JobState.QUEUED


async def test_a_job_whose_wait_is_over_starts_at_once(scene):
    """What it waits for may have settled before it was dropped."""
    await scene.add("alpha", items=2)
    await scene.finish()
    assert (await scene.add_waiting("beta", "alpha")).state is JobState.QUEUED


async def test_a_job_waits_for_all_that_it_names(scene):
    """One of two is not enough."""
    await scene.add("alpha", items=1)
    await scene.add("beta", items=1)
    await scene.add_waiting("gamma", "alpha", "beta")
    await scene.end(await scene.track())
    assert (await scene.job("gamma")).state is JobState.WAITING
    await scene.end(await scene.track())
    assert (await scene.job("gamma")).state is JobState.QUEUED


async def test_a_failure_skips_all_down_the_line(scene):
    """A job that waited for a failed one is skipped, so is the one that waited for it, and each delivers a result."""
    await scene.add("alpha", items=1)
    await scene.add_waiting("beta", "alpha")
    await scene.add_waiting("gamma", "beta", accept=[JobState.SUCCEEDED])
    await scene.add_waiting("delta", "alpha", accept=[JobState.FAILED])
    observed = await scene.end(await scene.track(), ItemState.FAILED)
    assert {job.name: str(job.state) for job in observed.jobs if job.state.settled} == {
        "alpha": "failed",
        "beta": "skipped",
        "gamma": "skipped",
    }
    assert "alpha" in (await scene.job("beta")).detail
    assert (await scene.job("delta")).state is JobState.QUEUED
    assert [entry.job_name for entry in await scene.store.outbox.due(scene.now)] == ["alpha", "beta", "gamma"]


async def test_a_job_dropped_after_the_failure_is_skipped_at_once(scene):
    """Its result is delivered like any other."""
    await scene.add("alpha", items=1)
    await scene.finish(state=ItemState.FAILED)
    assert (await scene.add_waiting("beta", "alpha")).state is JobState.SKIPPED
    assert (await scene.add_waiting("gamma", "beta")).state is JobState.SKIPPED
    assert "beta" in [entry.job_name for entry in await scene.store.outbox.due(scene.now)]


async def test_jobs_of_one_file_may_wait_for_each_other(scene):
    """A chain that is committed together starts with its first link, whatever the order in the file."""
    loads = [await scene.load("beta", after=After(("alpha",))), await scene.load("alpha")]
    changed = await scene.store.jobs.commit(loads, scene.tick())
    assert {job.name: str(job.state) for job in changed} == {"beta": "waiting", "alpha": "queued"}


async def test_after_of_tells_what_known_jobs_wait_for(scene):
    """Folded names on both sides; jobs without `after`, and unknown ones, are left out."""
    await scene.add_waiting("Beta", "Alpha", "Zeta")
    await scene.add("alpha")
    assert await scene.store.jobs.after_of(["BETA", "alpha", "nobody"]) == {"beta": ("alpha", "zeta")}


async def test_a_new_job_of_a_paused_account_is_paused(scene):
    """A pause of an account holds for jobs that come later, until the account is resumed."""
    await scene.store.advance.pause(now=scene.tick(), account="ica")
    job = await scene.add("alpha")
    assert job.needs is Needs.PAUSED
    assert job.detail.startswith("account ica is paused by an operator at 2023-")
    assert await scene.next() is None
    await scene.store.advance.resume(now=scene.tick(), account="ica")
    assert (await scene.job("alpha")).needs is None
    assert (await scene.add("beta")).needs is None
    assert (await scene.next()).state is BatchState.PLANNED
