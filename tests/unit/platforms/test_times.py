"""Times as platforms write and read them."""

from datetime import UTC

import pytest

from orchestrator.clock import SECOND
from orchestrator.platforms.times import for_filter, moment_in

HALF_PAST = 1_700_001_000 * SECOND


@pytest.mark.parametrize("text", ["2023-11-14T22:30:00Z", "2023-11-14T23:30:00+01:00", "2023-11-14 22:30:00+00:00"])
def test_a_date_with_a_zone_is_a_moment(text):
    """However it is spelt."""
    assert moment_in(text, zone=None) == moment_in(text, zone=UTC) == HALF_PAST


def test_a_date_without_a_zone_is_in_doubt():
    """Unless the platform documents which one it means."""
    assert moment_in("2023-11-14T22:30:00", zone=UTC) == HALF_PAST
    assert moment_in("2023-11-14T22:30:00", zone=None) is None


@pytest.mark.parametrize("text", ["", "soon", "16-11-2022 08:40:14", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_what_is_no_date_of_our_era_is_none(text):
    """So that nothing is computed with it."""
    assert moment_in(text, zone=UTC) is None


def test_a_filter_has_no_letter_for_the_zone():
    """Seven Bridges documents yyyy-MM-ddTHH:mm:ss with [±HH:mm] or nothing, which is UTC; ODM has no zone at all."""
    assert for_filter(HALF_PAST + 999_999) == "2023-11-14T22:30:00"
