"""What is kept of a session besides its status."""

import json
from dataclasses import replace

import pytest

from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.ica.sessions.selectors import Selector
from orchestrator.platforms.ica.sessions.session_rows import SESSIONS, SessionRow, facts_of, listed
from orchestrator.platforms.ica.sessions.time_window import Window


def test_a_session_may_have_tags_that_are_null():
    """ICA documents them so: the session is read, and its other tags are compared."""
    row = {"id": "s", "status": "SUCCEEDED", "timeCreated": "1970-01-01T00:00:00Z"}
    tags = {"technicalTags": ["a", None], "userTags": None}
    page = SESSIONS.read(Answer(200, {}, json.dumps({"items": [row | {"tags": tags}]}).encode(), None))
    assert page.bad_rows == 0
    wanted = {"key": "x", "found": 0, "user_reference": None, "user_tags": frozenset(), "statuses": frozenset()}
    selector = Selector(batch="b", seq=1, window=Window(None, 0), technical_tags=frozenset({"a"}), **wanted)
    assert selector.matches(page.rows[0])
    assert not replace(selector, technical_tags=frozenset({"b"})).matches(page.rows[0])


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        (b'[{"code": "reads", "n": 1.50}]', [{"code": "reads", "n": 1.5}]),
        (b'[{"code": "a\\ud800"}]', [{"code": "a\ufffd"}]),
        (b'[{"code": "\xff"}]', None),
        (b"[1e999]", None),
        (b'["' + b"x" * 65_536 + b'"]', None),
        (b"null", None),
    ],
)
def test_facts_can_be_read_whatever_a_session_was_given(items, kept):
    """They are embedded as they came: what cannot be read would keep the results of the job from being written."""
    text = listed(Answer(200, {}, b'{"items": ' + items + b"}", None))
    assert json.loads(facts_of(SessionRow(id="s", status="SUCCEEDED"), inputs=text))["inputs"] == kept
