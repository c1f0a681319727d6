"""What `--wait` says of controls that the real intake takes in."""

import anyio
import pytest
from waiting import patience

from orchestrator.cli.sources.file_outcome import outcome_of
from orchestrator.intake.directory.dropping import drop_controls


@pytest.mark.parametrize(
    ("control", "told"),
    [
        ({"cancel": "a"}, []),
        ({"cancel": "b"}, ["rejected: no job is named 'b' - `orchestrator jobs` lists them"]),
        (
            {"pause": "all"},
            ["rejected: no job is named 'all' - for all jobs write `pause: {all: true}` (`orchestrator pause --all`)"],
        ),
        ({"retry": "a", "items": ["x"]}, ["rejected: a has no item x"]),
    ],
)
async def test_a_control_is_followed_to_its_end(desk, control, told):
    """Nothing against it once it is in accepted/; else the intake's own words."""
    async with desk() as d:
        spool = d.spool()
        d.write("work.json", d.file(d.links("a")))
        await d.decide(spool)
        name = drop_controls([control], d.queue)
        found = []

        async def wait():
            found.append(await outcome_of(name, d.queue))

        with patience():
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await d.decide(spool)
        assert found == [told]
