"""What a page tells of how long things took, for those who plan the next looks."""

from stages import Stage

from orchestrator.domain.model import ItemState
from orchestrator.store.changes import Ended


async def test_a_page_tells_how_long_what_ended_took(scene):
    """From its submission to its own end by the platform; what was stopped, or only created, tells nothing."""
    await scene.add(items=4, batch_size=4)
    batch = await scene.track()
    (since, *_) = [item.submitted_at for item in await scene.items()]
    ends = {1: ItemState.SUCCEEDED, 2: ItemState.FAILED, 3: ItemState.ABORTED, 4: ItemState.RUNNING}
    page = [scene.seen(batch, seq, state, finished_at=since + 60_000_000) for seq, state in ends.items()]
    ended = Ended(batch.job, batch.number, seconds=60.0)
    assert (await scene.apply_reports(*page)).ended == (ended, ended)
    assert (await scene.apply_reports(*page)).ended == ()


async def test_an_item_that_was_never_created_took_no_time(scene):
    """A creation that fails at once would make analyses look quick."""
    await scene.add()
    batch = await scene.track()
    refused = scene.seen(batch, 1, ItemState.FAILED, stage=Stage.CREATION)
    observed = await scene.apply_reports(refused)
    assert (observed.changed, observed.ended) == (1, ())
