"""The items of workflow sessions: an id or a selector, its times, and the messages about what is wrong."""

import pytest

from orchestrator.domain.units import HOUR, SECOND
from orchestrator.platforms.ica.sessions.time_window import Window, parse_moment
from orchestrator.platforms.registry import KINDS

KIND = KINDS["ica.workflow_session"]
ID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    "item",
    [
        {"id": ID},
        {"name": "now"},
        {"name": "tonight", "since": "-24h", "until": "+8h"},
        {"name": "tonight", "since": "2026-02-01T06:00Z", "until": "2026-02-02T06:00+01:00"},
        {"name": "x", "userReference": "run-1", "technicalTags": ["t"], "userTags": ["u"], "status": ["FAILED"]},
        {"name": "x", "status": "FAILED_FINAL"},
    ],
)
def test_what_may_be_followed(item):
    """One session, or a selector."""
    assert KIND.mistakes_of_item(item, None) == ()
    assert KIND.key_of(item) in {ID, item.get("name")}


@pytest.mark.parametrize(
    ("item", "path", "message"),
    [
        ({}, ("name",), "`name` is missing"),
        ({"id": ID.replace("1", "A")}, ("id",), "is no UUID in lower case"),
        ({"id": ID, "since": "-1h"}, ("since",), "is not a key that belongs here"),
        ({"name": ID}, ("name",), "to follow that session write `id:`"),
        ({"name": "x", "sinc": "-1h"}, ("sinc",), "is not a key that belongs here"),
        ({"name": "x", "since": "24h"}, ("since",), "must be a time, such as 2026-02-01T06:00Z, or -24h or +8h"),
        ({"name": "x", "since": "2026-02-01T06:00"}, ("since",), "must say its time zone"),
        ({"name": "x", "since": "2026-02-01"}, ("since",), "such as 2026-02-01T00:00:00Z for UTC"),
        ({"name": "x", "until": "+8x"}, ("until",), "must be a duration"),
        ({"name": "x", "since": "+1h"}, ("until",), "is not after `since`"),
        ({"name": "x", "since": "-1h", "until": "-2h"}, ("until",), "is not after `since`"),
        ({"name": "x", "status": "COMPLETED"}, ("status", 0), "is not one of 'REQUESTED'"),
        ({"name": "x", "userTags": []}, ("userTags",), "is empty"),
    ],
)
def test_each_mistake_says_what_to_do(item, path, message):
    """With the field it is in."""
    [mistake] = KIND.mistakes_of_item(item, None)
    assert (mistake.path, message in mistake.message) == (path, True)


def test_a_key_that_is_unknown_is_told_the_nearest():
    """Nothing is sent, so nothing passes through unchecked."""
    [mistake] = KIND.mistakes_of_item({"name": "x", "sinc": "-1h"}, None)
    assert mistake.remedy == "did you mean `since`?"


def test_a_key_of_the_other_form_is_to_be_left_out():
    """It is known, so that a nearest one would be itself."""
    [mistake] = KIND.mistakes_of_item({"id": ID, "name": "x"}, None)
    assert (mistake.path, mistake.remedy) == (("name",), "leave it out: it belongs to an item of another form")


def test_the_name_of_a_project_is_told_to_be_no_id():
    """It has no columns: its spaces separate no values."""
    [mistake] = KIND.mistakes_of_project("my project")
    assert mistake.message.startswith("'my project' is no UUID")
    assert mistake.remedy == "take the project's id, not its name"


@pytest.mark.parametrize(
    ("text", "micros"),
    [("-24h", 100 * HOUR - 24 * HOUR), ("+90m", 101 * HOUR + HOUR // 2), ("1970-01-01T01:00+01:00", 0)],
)
def test_times_are_of_the_clock_or_from_acceptance(text, micros):
    """Micros since the epoch."""
    assert parse_moment(text).at(100 * HOUR) == micros


def test_both_ends_belong_to_a_window():
    """What has no time of creation is in none."""
    window = Window(SECOND, 2 * SECOND)
    assert [moment in window for moment in (SECOND - 1, SECOND, 2 * SECOND, 2 * SECOND + 1, None)] == [
        False,
        True,
        True,
        False,
        False,
    ]
