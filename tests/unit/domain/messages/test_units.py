"""Durations, sizes and moments as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.units import format_duration, parse_duration, parse_size, rfc3339


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2),
        ("5m", 300),
        ("12h", 43_200),
        ("90d", 7_776_000),
        ("1.5s", 1.5),
        ("0s", 0),
        (" 3s ", 3),
    ],
)
def test_durations_are_read_as_seconds(text, seconds):
    """Each unit of a duration has its length."""
    assert seconds == parse_duration(text)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "5S", "1e3s", "1h30m", "5min", "٣s", "5s\n5s", ".5s", "nan"]
)
def test_a_text_that_is_no_duration_is_refused(text):
    """A bare number, a sign, another unit or two parts are refused with the units named."""
    with pytest.raises(ValueError, match="ms, s, m, h or d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("512B", 512),
        ("10KiB", 10_240),
        ("256MiB", 268_435_456),
        ("1GiB", 2**30),
        ("2TiB", 2**41),
        ("3kB", 3000),
    ],
)
def test_sizes_are_read_as_bytes(text, size):
    """Binary units count in 1024, decimal ones in 1000."""
    assert size == parse_size(text)


@pytest.mark.parametrize("text", ["", "256", "MiB", "1.5GiB", "-1B", "1mib", "1Mb", "1 MiB", "1K"])
def test_a_text_that_is_no_size_is_refused(text):
    """Fractions, signs and units that could be meant two ways are refused with the units named."""
    with pytest.raises(ValueError, match="KiB, MiB, GiB"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_formatted_duration_reads_back_as_itself(milliseconds):
    """Formatting loses no millisecond."""
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-9)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (0.25, "250ms"), (90, "90s"), (300, "5m"), (86_400, "1d")])
def test_a_duration_is_formatted_in_its_largest_whole_unit(seconds, text):
    """People read 5m, not 300000ms."""
    assert text == format_duration(seconds)


def test_moments_are_written_in_utc_with_six_digits():
    """A moment keeps its microseconds, and whole seconds keep their zeros."""
    assert rfc3339(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
