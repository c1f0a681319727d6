"""Files that a local error keeps from being decided."""

from orchestrator.intake.deciding.deferrals import LONGEST_PAUSE, Deferrals


def test_a_file_that_is_deferred_for_days_is_retried_at_the_longest_pause():
    """The pause doubles from a second to its maximum, however often the file was deferred."""
    deferrals, now, pauses = Deferrals(), 0.0, []
    for _ in range(3000):
        deferrals.defer("a.yaml", "the disk is full", now)
        pauses.append(deferrals._deferred["a.yaml"].until - now)
        now += pauses[-1]
    assert pauses[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_PAUSE, LONGEST_PAUSE]
    assert set(pauses[8:]) == {LONGEST_PAUSE}
