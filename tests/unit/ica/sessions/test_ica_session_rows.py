"""What is kept of a session besides its status."""

import json

import pytest

from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.ica.sessions.session_rows import SessionRow, facts_of, listed


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
