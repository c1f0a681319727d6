"""A platform that the program does not ship, whole: dropped files to results on disk.

The toy platform lives in `tests/support/toy` alone: what it needs of the program is one line of the registry.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from toy import story
from toy.server import Server
from toy.setup import TOY

from orchestrator.clock import SystemClock

SUPPORT = Path(__file__).parents[1] / "support"


class FastClock:
    """On which a task of half a minute takes a moment."""

    def monotonic(self):
        return 200 * SystemClock().monotonic()


@pytest.fixture
def toy(lab, monkeypatch):
    """A laboratory whose daemons know the toy platform, and the server of it."""
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    lab.setup = replace(TOY, simulate=lambda _clock, **_: Server(FastClock()))
    lab.program = ("-m", "toy", "run")
    return lab


async def test_a_platform_of_its_own_folder_goes_from_a_file_to_a_result(toy):
    """Tasks in two steps, copies with an answer each, a session that is only followed, and what is found below them."""
    async with toy.open():
        story.drop(toy)
        ended = await toy.run()
        assert ended.code == 0, ended.log[-3000:]
        story.judge(toy)
