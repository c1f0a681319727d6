"""Records of libraries that repeat: counted, not written."""

import io
import json
import logging

import pytest

from orchestrator.clock import ManualClock
from orchestrator.telemetry import log
from orchestrator.telemetry.repeats import INTERVAL


@pytest.fixture
def written(monkeypatch):
    """The log as JSON lines, the clock it goes by, and a library's logger."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream, clock = io.StringIO(), ManualClock()
    log.configure(level="info", style="json", stream=stream, clock=clock)
    yield (
        lambda: [json.loads(line) for line in stream.getvalue().splitlines()],
        clock,
        logging.getLogger("some.library"),
    )
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)


def test_a_burst_is_written_in_a_few_lines(written):
    """The first, tenth, hundredth … record; each says how many of its kind were left out before it."""
    lines, _, library = written
    for number in range(12_000):
        library.error("accept failed: %s", number)
    assert [line.get("repeated") for line in lines()] == [None, 8, 89, 899, 8999]
    assert lines()[1]["message"] == "accept failed: 9"


async def test_what_goes_on_is_written_once_a_minute(written):
    """With the number since; after a quiet time it counts anew."""
    lines, clock, library = written
    for _ in range(5):
        library.warning("again")
    await clock.advance(INTERVAL)
    library.warning("again")
    assert [line.get("repeated") for line in lines()] == [None, 4]


def test_other_records_are_not_held_back(written):
    """Kinds differ in logger, level or text."""
    lines, _, library = written
    for _ in range(3):
        library.warning("one")
    library.error("one")
    library.warning("two")
    logging.getLogger("other").warning("one")
    assert [(line["logger"], line["level"], line["message"]) for line in lines()] == [
        ("some.library", "warning", "one"),
        ("some.library", "error", "one"),
        ("some.library", "warning", "two"),
        ("other", "warning", "one"),
    ]


def test_kinds_without_end_take_no_memory(written):
    """The oldest is forgotten, and is written when it comes again."""
    lines, _, library = written
    for number in range(300):
        library.warning(f"text {number}")
    library.warning("text 0")
    assert len(lines()) == 301
