"""JSON as it is read: RFC 8259 to the letter."""

import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.intake.reading.json_stream import JsonEvents
from orchestrator.intake.reading.text import PIECE, MalformedTextError, Text
from orchestrator.intake.validation.document import DocumentReader

TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "S", "P"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def read(text, *, by_line=False):
    mistakes = Mistakes()
    source = Text(io.BytesIO(text if isinstance(text, bytes) else text.encode()))
    work = DocumentReader(JsonEvents(source, by_line=by_line), source, mistakes, io.BytesIO()).read()
    header = None
    try:
        while True:
            next(work)
    except StopIteration as stop:
        header = stop.value.header
    except MalformedTextError as error:
        mistakes.append(error.mistake)
    return header, [str(mistake) for mistake in mistakes]


@given(VALUES)
def test_json_is_read_as_json(value):
    """What Python writes is read back, with either spelling of characters beyond ASCII."""
    header = {"a": value}
    assert (header, []) == read(json.dumps(header))
    assert (header, []) == read(json.dumps(header, ensure_ascii=False), by_line=True)


def test_numbers_keep_their_digits():
    """Neither a large number nor a trailing zero is rounded away."""
    assert ({"a": 10**30, "b": Decimal("1.10"), "c": Decimal("1E+400")}, []) == read(
        '{"a": 1000000000000000000000000000000, "b": 1.10, "c": 1e400}'
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": 1',
        '{"a": 1}}',
        '{"a": 1} x',
        '{"a": 1}{"a": 1}',
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -}',
        '{"a": 01}',
        '{"a": 1,}',
        '{"a": 1} // no',
        '{"a": "\x01"}',
        '{"a": "\\ud800"}',
        '{"a": "\\udc00"}',
        '{"a": "\\ude00\\ud83d"}',
        '{"a": "\\u0000"}',
        '{"a": 1, "a": 2}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a": 1e99999999999999999999}',
    ],
)
def test_what_is_no_json_is_refused(text):
    """Cut, extended, sloppy or half-character documents are never taken for something else."""
    assert read(text)[1]


def test_pairs_and_escapes_are_whole_characters():
    """A pair of escapes is one character, also across two reads; an escaped backslash begins none."""
    assert read('{"a": "\\ud83d\\ude00"}') == ({"a": "😀"}, [])
    assert read('{"a": "\\\\ud800"}') == ({"a": "\\ud800"}, [])
    for shift in range(14):
        text = '{"a": "' + "x" * (PIECE - 14 + shift - 7) + '\\ud83d\\ude00"}'
        header, mistakes = read(text)
        assert mistakes == []
        assert header["a"].endswith("x😀")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_depth_ends_the_reading(text):
    """A hundred thousand levels cost no more than sixty-five."""
    assert any("deeper than 64" in mistake for mistake in read(text)[1])


def test_read_by_line_it_tells_lines():
    """The line of a mistake is known when the document is fed line by line."""
    assert "line 3" in read('{"a":\n1,\n"a": 2}', by_line=True)[1][0]
    assert "line 3" in read('{"a":\n1,\n]}', by_line=True)[1][0]
