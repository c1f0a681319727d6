"""What the headers of an answer tell about time and budget."""

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.clock import SECOND
from orchestrator.platforms.http.responses import read_hints

NOW = 1_700_000_000
DATE = {"date": email.utils.formatdate(NOW, usegmt=True)}


def reset_in(text, window=300.0):
    """The seconds until the reset that is told so."""
    return read_hints(DATE | {"x-ratelimit-reset": text}, NOW * SECOND, window).reset_in


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("45", 45),
        ("300", 300),
        ("301", 0.301),
        ("60000", 60),
        ("299000", 299),
        ("200", 200),  # of whatever; the longer reading is the safe one
        (str(NOW + 45), 45),
        (str((NOW + 45) * 1000), 45),
        (str(NOW), 0),
        (str(NOW - 1), -1),
        ("soon", None),
    ],
)
def test_a_reset_is_a_moment_or_a_span_in_seconds_or_milliseconds(told, seconds):
    """A moment shows its unit by its size; a span longer than a window counts milliseconds."""
    assert reset_in(told) == (seconds if seconds is None else pytest.approx(seconds))


def test_a_moment_far_away_is_no_span():
    """It is told in one unit only: an hour is not read as 3.6 seconds."""
    assert reset_in(str(NOW + 3600)) == 3600


def test_without_a_known_window_a_span_of_more_than_an_hour_counts_milliseconds():
    """No platform's window is as long as that."""
    headers = DATE | {"x-ratelimit-reset": "60000"}
    assert read_hints(headers, NOW * SECOND).reset_in == 60


@given(span=st.floats(0.001, 3600.0), window=st.floats(1.0, 3600.0))
def test_a_span_in_seconds_within_the_window_is_taken_as_it_is(span, window):
    """Only what cannot be seconds is read as milliseconds."""
    told = reset_in(repr(span), window)
    assert told == (span if span <= window else span / 1000)
