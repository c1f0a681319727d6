"""What is done about a submission whose answer was lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.clock import SECOND
from orchestrator.domain.model import Batch, BatchId, BatchKey, BatchState, JobId, Resend
from orchestrator.domain.resending import CLOCK_SLACK, KEY_LIFE, Way, way_out

NOW = 1_700_000_000 * SECOND
DAY = 24 * 3600 * SECOND


def lost(**fields):
    batch = {
        "id": BatchId("b"),
        "job": JobId("j"),
        "job_name": "job",
        "account": "ica",
        "project": "p",
        "kind": "ica.analysis_creation",
        "engine": "nextflow",
        "number": 1,
        "lineage": "1",
        "attempt": 0,
        "key": BatchKey("k"),
        "state": BatchState.UNCONFIRMED,
        "items": 3,
        "open": 3,
        "creating": 3,
        "remote_id": None,
        "status": None,
        "status_final": False,
        "detail": None,
        "sends": 1,
        "first_sent_at": NOW - DAY,
        "sent_at": NOW - DAY,
        "submitted_at": None,
        "settled_at": None,
        "user": "me",
        "searched_at": None,
    }
    return Batch(**(batch | fields))


def way(batch, resend=Resend.SAME_KEY, *, user="me", now=NOW, clock_trusted=True):
    return way_out(batch, resend, user=user, now=now, clock_trusted=clock_trusted)


def test_a_young_key_of_the_same_user_is_sent_again():
    """The platform knows it and replays its answer: one request finds everything out."""
    assert way(lost()) is Way.RESEND


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, Way.RESEND),
        (KEY_LIFE - 1, Way.RESEND),
        (KEY_LIFE, Way.SEARCH),
        (30 * DAY, Way.SEARCH),
        (-CLOCK_SLACK, Way.RESEND),
        (-CLOCK_SLACK - 1, Way.SEARCH),
    ],
)
def test_a_key_is_worth_something_for_six_days(age, expected):
    """Also when the platform's clock, which dates it, is a little ahead of ours; one from the future proves nothing."""
    assert way(lost(first_sent_at=NOW - age)) is expected


def test_a_day_remains_between_our_trust_and_the_platforms_memory():
    """Answers are kept for seven days; a key is given up at least a day before."""
    assert KEY_LIFE + DAY <= 7 * DAY


@pytest.mark.parametrize(
    ("fields", "given"),
    [
        ({"key_void": True}, {}),
        ({}, {"clock_trusted": False}),
        ({}, {"user": "somebody else"}),
        ({"first_sent_at": NOW - 8 * DAY}, {}),
    ],
    ids=["void key", "clock off", "other user", "too old"],
)
def test_a_key_that_proves_nothing_is_searched_for(fields, given):
    """Each single doubt is enough: another paid analysis would be worse than a search."""
    assert way(lost(**fields), **given) is Way.SEARCH


def test_what_is_not_known_to_have_been_sent_is_no_older_than_now():
    """Without a date and a user there is nothing to doubt."""
    assert way(lost(first_sent_at=None, user=None)) is Way.RESEND


BATCHES = st.builds(
    lost,
    key_void=st.booleans(),
    user=st.sampled_from([None, "me", "you"]),
    first_sent_at=st.none() | st.integers(NOW - 30 * DAY, NOW + 30 * DAY),
)


@given(BATCHES, st.booleans())
def test_a_harmless_effect_is_repeated_whatever_is_doubted(batch, trusted):
    """A link made twice is one link."""
    assert way(batch, Resend.HARMLESS, clock_trusted=trusted) is Way.RESEND


@given(BATCHES, st.booleans())
def test_an_effect_that_may_not_be_repeated_is_never_sent_again(batch, trusted):
    """It is found, or a person decides."""
    assert way(batch, Resend.NEVER, clock_trusted=trusted) is Way.SEARCH


@given(BATCHES)
def test_a_clock_that_is_off_never_makes_us_bolder(batch):
    """Whatever is sent again with a clock in doubt would be with a good one."""
    assert not (way(batch, clock_trusted=False) is Way.RESEND and way(batch) is Way.SEARCH)
