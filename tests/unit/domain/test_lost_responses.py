"""What is done about a submission whose answer was lost."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages import Stage

from orchestrator.clock import SECOND
from orchestrator.domain.errors import Refused, StillRunning, Throttled, Transient, Unauthorised, Unconfirmed
from orchestrator.domain.identity import echo_lineage, halves_of, retry_lineage
from orchestrator.domain.lost_responses import (
    CLOCK_SLACK,
    MOST_LOSSES,
    PATIENCE,
    Recovery,
    is_sent_until_answered,
    is_unresolvable,
    key_expired,
    may_be_echo,
    may_repeat_unfound,
    next_step,
    wait_for_second_search,
)
from orchestrator.domain.model import Batch, BatchId, BatchKey, BatchState, Item, ItemState, JobId
from orchestrator.domain.submission import Resend, Submission

NOW = 1_700_000_000 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR
KEY_LIFE = 6 * DAY
SEARCH_DELAY = HOUR
SENT = Submission("POST", "/", {}, b"", resend=Resend.SAME_KEY, key_life=KEY_LIFE)


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
        "resend": Resend.SAME_KEY,
        "key_life": KEY_LIFE,
        "search_delay": SEARCH_DELAY,
    }
    return Batch(**(batch | fields))


def way(batch, resend=Resend.SAME_KEY, *, user="me", now=NOW, clock_trusted=True):
    return next_step(replace(batch, resend=resend), user=user, now=now, clock_trusted=clock_trusted)


def test_a_young_key_of_the_same_user_is_searched_for_and_sent_again():
    """The lost answer may have been a 5xx after the effect, of which the platform keeps nothing under the key."""
    assert way(lost()) is Recovery.SEARCH_THEN_RESEND


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, Recovery.SEARCH_THEN_RESEND),
        (KEY_LIFE - 1, Recovery.SEARCH_THEN_RESEND),
        (KEY_LIFE, Recovery.SEARCH),
        (30 * DAY, Recovery.SEARCH),
        (-CLOCK_SLACK, Recovery.SEARCH_THEN_RESEND),
        (-CLOCK_SLACK - 1, Recovery.SEARCH),
    ],
)
def test_a_key_is_worth_something_for_six_days(age, expected):
    """Also when the platform's clock, which dates it, is a little ahead of ours; one from the future proves nothing."""
    assert way(lost(first_sent_at=NOW - age)) is expected


@pytest.mark.parametrize("age", [0, 30 * DAY, -30 * DAY])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_key_that_the_platform_never_forgets_is_sent_again_at_any_age(age, trusted):
    """The id of a draft is such a key; only another user behind the credential is a doubt."""
    batch = lost(first_sent_at=NOW - age, key_life=None)
    assert way(batch, clock_trusted=trusted) is Recovery.RESEND
    assert way(batch, user="you", clock_trusted=trusted) is Recovery.SEARCH


@pytest.mark.parametrize("sends", [1, MOST_LOSSES, 50])
def test_a_key_that_the_platform_never_forgets_is_sent_until_it_is_answered(sends):
    """Unless a key does not count any more: then it is searched for, as other keys are after three losses."""
    assert way(lost(sends=sends, in_doubt=True, key_life=None)) is Recovery.RESEND
    assert way(lost(sends=sends, in_doubt=True, key_life=None, key_void=True)) is Recovery.SEARCH
    expected = Recovery.SEARCH if sends >= MOST_LOSSES else Recovery.SEARCH_THEN_RESEND
    assert way(lost(sends=sends, in_doubt=True, first_sent_at=NOW)) is expected


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
    assert way(lost(**fields), **given) is Recovery.SEARCH


def test_what_is_not_known_to_have_been_sent_is_no_older_than_now():
    """Without a date and a user there is nothing to doubt."""
    assert way(lost(first_sent_at=None, user=None)) is Recovery.SEARCH_THEN_RESEND


@pytest.mark.parametrize(
    ("sends", "cancelled", "expected"),
    [
        (1, False, Recovery.RESEND),
        (MOST_LOSSES, False, Recovery.SEARCH_THEN_RESEND),
        (50, False, Recovery.SEARCH_THEN_RESEND),
        (1, True, Recovery.SEARCH),
    ],
)
def test_a_later_step_that_is_never_answered_is_searched_for(sends, cancelled, expected):
    """It may have had its effect each time; where it had none, the same step is sent again, and no other batch."""
    batch = lost(sends=sends, in_doubt=True, key_life=None, step=2, cancelled=cancelled)
    assert way(batch) is expected
    assert is_sent_until_answered(batch) is not cancelled


BATCHES = st.builds(
    lost,
    key_void=st.booleans(),
    user=st.sampled_from([None, "me", "you"]),
    first_sent_at=st.none() | st.integers(NOW - 30 * DAY, NOW + 30 * DAY),
)


@given(BATCHES, st.booleans())
def test_a_harmless_effect_is_repeated_whatever_is_doubted(batch, trusted):
    """A link made twice is one link."""
    assert way(replace(batch, key_life=None), Resend.HARMLESS, clock_trusted=trusted) is Recovery.RESEND


@pytest.mark.parametrize(
    ("age", "trusted", "expected"),
    [
        (0, True, Recovery.RESEND),
        (HOUR - 1, True, Recovery.RESEND),
        (HOUR, True, Recovery.SEARCH),
        (0, False, Recovery.SEARCH),
    ],
)
def test_an_effect_that_is_harmless_for_an_hour_is_searched_for_after_it(age, trusted, expected):
    """A file overwritten once more an hour later may be another file by then; a clock in doubt proves no hour."""
    batch = lost(first_sent_at=NOW - age, key_life=HOUR, sends=3, in_doubt=True, resend=Resend.HARMLESS)
    assert way(replace(batch, sends=1), Resend.HARMLESS, clock_trusted=trusted) is expected
    unfound = may_repeat_unfound(batch, now=NOW, clock_trusted=trusted)
    assert unfound is (expected is Recovery.RESEND)
    assert not may_repeat_unfound(replace(batch, cancelled=True), now=NOW, clock_trusted=trusted)
    planned = replace(batch, first_sent_at=None, planned_at=NOW - age)
    submission = replace(SENT, resend=Resend.HARMLESS, key_life=HOUR)
    assert key_expired(planned, submission, now=NOW, clock_trusted=trusted) is (expected is Recovery.SEARCH)
    for rule in (Resend.HARMLESS, Resend.SAME_KEY):
        unlimited = replace(submission, resend=rule, key_life=None)
        assert not key_expired(planned, unlimited, now=NOW, clock_trusted=trusted)


@given(BATCHES, st.booleans())
def test_an_effect_that_may_not_be_repeated_is_never_sent_again(batch, trusted):
    """It is found, or a person decides."""
    assert way(batch, Resend.NEVER, clock_trusted=trusted) is Recovery.SEARCH


@given(BATCHES, st.booleans())
def test_what_a_repeat_would_make_twice_is_searched_for_first(batch, trusted):
    """Where the platform knows no key, only a search can tell."""
    assert way(batch, Resend.FIND_FIRST, clock_trusted=trusted) is Recovery.SEARCH


@given(BATCHES)
def test_a_clock_that_is_off_never_makes_us_bolder(batch):
    """Whatever is sent again with a clock in doubt would be with a good one."""
    assert not (way(batch, clock_trusted=False) is Recovery.RESEND and way(batch) is Recovery.SEARCH)


@pytest.mark.parametrize("resend", Resend)
def test_what_nobody_wants_any_more_is_only_looked_for(resend):
    """Sending a batch of a cancelled job again might create what then has to be stopped."""
    assert way(lost(cancelled=True), resend) is Recovery.SEARCH


# ---------------------------------------------------------------- before a first send


@pytest.mark.parametrize(("age", "expected"), [(0, False), (KEY_LIFE - 1, False), (KEY_LIFE, True), (-DAY, False)])
def test_records_older_than_a_key_prove_nothing(age, expected):
    """A job accepted six days ago may have been sent before the backup that knows nothing of it was restored."""
    assert key_expired(lost(planned_at=NOW - age), SENT, now=NOW, clock_trusted=True) is expected


def test_with_a_clock_that_is_off_every_record_may_be_too_old():
    """Whoever cannot tell an age must ask."""
    assert key_expired(lost(planned_at=NOW), SENT, now=NOW, clock_trusted=False)


@pytest.mark.parametrize(
    ("resend", "expected"),
    [(Resend.FIND_FIRST, True), (Resend.NEVER, True), (Resend.HARMLESS, False), (Resend.SAME_KEY, False)],
)
def test_without_a_key_on_the_platform_a_first_send_is_always_searched_for(resend, expected):
    """Whenever it was planned: nothing but the platform's own list tells whether an earlier life sent it."""
    sent = replace(SENT, resend=resend)
    assert key_expired(lost(planned_at=NOW), sent, now=NOW, clock_trusted=True) is expected


def test_a_key_that_is_never_forgotten_needs_no_search():
    """It shows an earlier send by itself, however old."""
    assert not key_expired(lost(planned_at=0), replace(SENT, key_life=None), now=NOW, clock_trusted=False)


# ---------------------------------------------------------------- two searches


@pytest.mark.parametrize(
    ("searched", "wait"),
    [(None, SEARCH_DELAY), (0, SEARCH_DELAY), (SEARCH_DELAY - 1, 1), (SEARCH_DELAY, 0)],
)
def test_a_second_search_comes_an_hour_after_the_first(searched, wait):
    """Only then does not being found count."""
    batch = lost(searched_at=None if searched is None else NOW - searched)
    assert wait_for_second_search(batch, now=NOW) == wait


@pytest.mark.parametrize("error", [Refused("no"), ValueError("a bug of ours")], ids=repr)
def test_hope_ends_after_a_day_or_an_hour_after_a_cancel(error):
    """A search that is refused, or that breaks, for so long is left to a person."""
    for cancelled, patience in ((False, PATIENCE), (True, SEARCH_DELAY)):
        young = lost(sent_at=NOW - patience + 1, cancelled=cancelled)
        old = lost(sent_at=NOW - patience, cancelled=cancelled)
        adjusted = lost(sent_at=NOW + 60 * SECOND, cancelled=cancelled)  # the clock was a little ahead, or by a year
        ahead = lost(sent_at=NOW + 365 * DAY, cancelled=cancelled)
        judged = [is_unresolvable(batch, error, now=NOW) for batch in (young, old, adjusted, ahead)]
        assert judged == [False, True, False, True]


@pytest.mark.parametrize("kind", [Transient, Throttled, Unauthorised, Unconfirmed, StillRunning])
def test_an_outage_ends_no_hope(kind):
    """However long the platform is away, it may still know."""
    assert not is_unresolvable(lost(sent_at=NOW - 90 * DAY), kind("away"), now=NOW)


# ---------------------------------------------------------------- failures that may be echoes


def failed(**fields):
    """A link that failed."""
    item = {"seq": 1, "key": "fil.1", "batch": 1, "stage": Stage.LINK, "state": ItemState.FAILED, "status": "FAILED"}
    return Item(job=JobId("j"), remote_id=None, detail=None, **(item | fields))


def test_a_link_that_failed_in_a_batch_sent_twice_may_be_an_echo():
    """The first time may be what worked."""
    assert may_be_echo(failed(), lost(sends=2, resend=Resend.HARMLESS))


@pytest.mark.parametrize(
    ("item", "batch"),
    [
        ({}, {"sends": 1}),
        ({"state": ItemState.PARTIAL}, {"sends": 2}),
        ({}, {"sends": 2, "resend": Resend.SAME_KEY}),
        ({}, {"sends": 2, "resend": Resend.FIND_FIRST}),
        ({}, {"sends": 2, "lineage": echo_lineage([(1, 1)])}),
        ({}, {"sends": 2, "lineage": halves_of(echo_lineage([(1, 1)]))[0]}),
    ],
)
def test_every_other_failure_counts(item, batch):
    """Sent once, of another kind, or in a batch of its own already."""
    assert not may_be_echo(failed(**item), lost(**{"resend": Resend.HARMLESS, **batch}))


def test_a_retry_sent_twice_may_echo_too():
    """Whatever led to a batch, being sent twice makes its failures doubtful."""
    again = lost(sends=2, lineage=retry_lineage([(1, 2)]), resend=Resend.HARMLESS)
    assert may_be_echo(failed(), again)
