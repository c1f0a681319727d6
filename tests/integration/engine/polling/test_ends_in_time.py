"""While most of the budget is idle, each end is seen within twice the minimal interval, or 1% of the work's age."""

import sqlite3

import pytest

from orchestrator.domain.model import After

SECONDS = 30.0
"""The shortest work; longer work, and the schedule alone, are tested in `test_polls_in_time`."""
ITEMS = 500
JOBS = ("first", "known")
"""The second one begins when the first has ended, and finds its durations learned."""
PREFIX = {"analyses": "", "links": "fil."}
"""The key of a link is the id of its data."""
CONSTANT, BIMODAL, LONG_TAILED = {"jitter": 0.0}, {"durations": "bimodal"}, {"durations": "long_tailed"}


def spans(it, kind):
    """When each item began and ended on the platform, by its key."""
    truth = it.simulator._world
    if kind == "analyses":
        return {row.user_reference: (row.timeline.begins, row.timeline.ends) for row in truth.analyses}
    items = [item for batch in truth.batches.values() for item in batch.listed]
    return {item.name: (item.timeline.begins, item.timeline.ends) for item in items}


def seen(it):
    """When our books came to know how each item ended, by its key."""
    zero = it.clock.now() - it.time.monotonic() * 1e6
    with sqlite3.connect(it.database) as database:
        told = database.execute(
            "SELECT i.key, min(e.at) FROM events e JOIN items i ON i.job = e.job AND i.seq = e.seq "
            "WHERE e.event = 'item' AND e.new = 'succeeded' GROUP BY i.key"
        ).fetchall()
    database.close()
    return {key: (at - zero) / 1e6 for key, at in told}


@pytest.mark.parametrize(
    ("kind", "durations"),
    [("analyses", CONSTANT), ("analyses", BIMODAL), ("analyses", LONG_TAILED), ("links", LONG_TAILED)],
    ids=["analyses constant", "analyses bimodal", "analyses long tail", "links long tail"],
)
async def test_an_end_is_seen_in_time_whatever_is_known_of_durations(world, kind, durations):
    """A thousand ends, half of them of work that waited for the other half; not one in a hundred is seen later."""
    it = await world(budget=1000, analysis_seconds=SECONDS, link_seconds=SECONDS, **durations)
    for place, job in enumerate(JOBS):
        keys = [f"{PREFIX[kind]}{job}{number}" for number in range(ITEMS)]
        after = After(JOBS[:place]) if place else None
        await it.submit(job, keys, kind=kind, after=after)
    await it.until_settled(*JOBS, within=7200.0)

    began_and_ended, told = spans(it, kind), seen(it)
    assert len(told) == 2 * ITEMS
    parts = sorted((told[key] - end) / max(20.0, 0.01 * (end - begin)) for key, (begin, end) in began_and_ended.items())
    assert parts[2 * ITEMS - 2 * ITEMS // 100 - 1] <= 1.0

    first, known = (PREFIX[kind] + job for job in JOBS)
    last = max(end for key, (_, end) in began_and_ended.items() if key.startswith(first))
    next_began = min(begin for key, (begin, _) in began_and_ended.items() if key.startswith(known))
    longest = max(end - begin for key, (begin, end) in began_and_ended.items() if key.startswith(first))
    assert next_began - last <= max(20.0, 0.01 * longest) + 2 * seconds_to_create(it)


def seconds_to_create(it):
    """Between the submission of a batch and the beginning of its analyses."""
    return it.simulator.knobs.creation_seconds * 10
