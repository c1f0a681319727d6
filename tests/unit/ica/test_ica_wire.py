"""Texts that no database keeps, in pages: what becomes of them and of the rows beside them."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.ica.protocol import wire


def page(*details):
    rows = [
        {"processing": {"status": "FAILED", "additionalStatusInformation": detail}, "request": {"dataId": f"fil.{n}"}}
        for n, detail in enumerate(details)
    ]
    return Answer(200, {}, json.dumps({"items": rows}).encode(), None)


@given(st.lists(st.text(st.characters() | st.sampled_from("\0\\\ud800\udc00u0")), max_size=4))
def test_what_no_database_keeps_is_replaced_and_nothing_else(details):
    """Each NUL and each half of a surrogate pair becomes U+FFFD; all other text arrives as it was sent."""
    read = wire.DATA_ITEMS.read(page(*details))
    assert read.bad_rows == 0
    paired = [json.loads(json.dumps(detail)) for detail in details]  # halves side by side make one character
    expected = [re.sub("[\0\ud800-\udfff]", "\ufffd", detail) for detail in paired]
    assert [row.processing.additional_status_information for row in read.rows] == expected


def test_a_row_that_is_none_costs_no_other_with_such_a_text():
    """Row by row, too, half a pair is replaced."""
    answer = page("half \ud800", "whole")
    rows = json.loads(answer.body)["items"]
    body = json.dumps({"items": [rows[0], {"processing": 7}, rows[1]]}).encode()
    read = wire.DATA_ITEMS.read(Answer(200, {}, body, None))
    assert [row.processing.additional_status_information for row in read.rows] == ["half \ufffd", "whole"]
    assert read.bad_rows == 1
