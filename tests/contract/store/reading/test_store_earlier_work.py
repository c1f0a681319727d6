"""Work that was asked for before: found by its digest whatever its name, and by the keys of its items."""

from orchestrator.domain.model import ItemState
from orchestrator.domain.units import DAY
from orchestrator.store.reading import earlier_work
from orchestrator.store.reading.earlier_work import EarlierItem, EarlierJob

WORK = "digest of the work"


async def test_jobs_of_one_work_are_found_by_its_digest(scene):
    """The newest first, with how many of their items succeeded; a job that never sent anything is not among them."""
    earlier = scene.store.jobs.earlier
    await scene.add("first", items=3, content_digest=WORK)
    await scene.finish("first")
    await scene.add("second", items=2, content_digest=WORK)
    await scene.add("never", items=2, content_digest=WORK)
    await scene.store.advance.cancel("never", now=scene.tick())
    await scene.add("other", items=2, content_digest="of other work")
    await scene.add("old", items=2)
    found = await earlier.with_content([WORK, "unknown"])
    assert found == {WORK: [EarlierJob("second", "queued", 2, 0), EarlierJob("first", "succeeded", 3, 3)]}
    assert await earlier.with_content([]) == {}


async def test_items_are_found_by_their_keys(scene):
    """In jobs of the same kind and project, of late, the newest first; what was found on the platform is no key."""
    earlier = scene.store.jobs.earlier
    await scene.add("first", items=3)
    (batch, _) = await scene.track_all()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED))
    await scene.apply_reports(scene.seen(batch, None, ItemState.RUNNING, key="found", parent=2))
    await scene.add("elsewhere", items=3, project="q")
    await scene.add("links", items=3, kind="ica.data_linking")
    await scene.add("second", items=1)
    keys = ["k1", "k3", "found", "k9"]
    found = await earlier.with_keys("ica.analysis_creation", "p", keys, scene.now - DAY)
    assert found == [
        EarlierItem("second", "k1", succeeded=False),
        EarlierItem("first", "k1", succeeded=True),
        EarlierItem("first", "k3", succeeded=False),
    ]
    assert await earlier.with_keys("ica.analysis_creation", "p", keys, scene.now + DAY) == []
    assert await earlier.with_keys("ica.analysis_creation", "p", [], 0) == []


async def test_no_more_than_so_many_items_are_compared(scene, monkeypatch):
    """Those of the newest jobs, whether they have fewer items than there are keys, or more."""
    monkeypatch.setattr(earlier_work, "_COMPARED", 3)
    await scene.add("first", items=1)
    await scene.add("second", items=1)
    await scene.add("large", items=5)
    keys = ["k1", "k2"]
    found = await scene.store.jobs.earlier.with_keys("ica.analysis_creation", "p", keys, 0)
    assert [(item.job, item.key) for item in found] == [("large", "k1"), ("large", "k2"), ("second", "k1")]
