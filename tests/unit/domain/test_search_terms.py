"""What jobs are searched by: durations, dates and labels as users write them."""

import pytest

from orchestrator.domain.search_terms import labels_in, parse_since
from orchestrator.domain.units import LATEST, rfc3339

NOW = 1_769_860_800_000_000  # 2026-01-31T12:00:00Z
DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("7d", NOW - 7 * DAY),
        ("0s", NOW),
        ("2026-01-31", NOW - DAY // 2),
        ("2026-01-31T12:00", NOW),
        ("2026-01-31T12:00:00Z", NOW),
        ("2026-01-31T13:00:00+01:00", NOW),
        ("2026-01-31T12:00:00.000001Z", NOW + 1),
        ("999999999999d", 0),
        ("0001-01-01T00:00:00+14:00", 0),
        ("9999-12-31T23:59:59-14:00", LATEST),
    ],
)
def test_a_time_is_a_duration_before_now_or_a_date(text, time):
    """Without a zone it is UTC; what no database holds, or cannot be written out, becomes the nearest that can."""
    assert parse_since(text, NOW) == time
    assert rfc3339(time)


@pytest.mark.parametrize("text", ["", "7", "yesterday", "31.01.2026", "2026-13-01", "-7d"])
def test_what_is_no_time_says_what_is(text):
    """With an example of each."""
    with pytest.raises(ValueError, match=r"7d.*2026-01-31"):
        parse_since(text, NOW)


def test_labels_are_pairs():
    """A value may be empty, or have `=` in it."""
    assert labels_in(["run=0172", "a=", "b=c=d"]) == {"run": "0172", "a": "", "b": "c=d"}
    for wrong in ("run", "=x", ""):
        with pytest.raises(ValueError, match="NAME=VALUE"):
            labels_in([wrong])
