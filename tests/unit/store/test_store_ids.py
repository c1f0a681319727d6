"""Identifiers that sort by time."""

import uuid

from orchestrator.store.ids import TimeOrderedIds


def test_they_are_uuids_of_their_time():
    """Version 7, with the milliseconds in front."""
    made = uuid.UUID(TimeOrderedIds().make(1_700_000_000_123_456))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_700_000_000_123


def test_they_ascend_whatever_the_clock_does():
    """Within a millisecond, past the end of its counter, and when the clock is set back."""
    ids = TimeOrderedIds()
    made = [ids.make(1_700_000_000_000_000) for _ in range(5000)]
    made += [ids.make(1_600_000_000_000_000), ids.make(1_700_000_100_000_000)]
    assert made == sorted(set(made))
