"""The likeliest slips of YAML: each is named, on its line, with what to write."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.intake.reading.text import MalformedTextError, Text
from orchestrator.intake.reading.yaml_slips import slip
from orchestrator.intake.reading.yaml_stream import YamlEvents


def first_mistake(text):
    """What the reader refuses a text for."""
    with pytest.raises(MalformedTextError) as raised:
        list(YamlEvents(Text(io.BytesIO(text.encode()), yaml=True), Mistakes()))
    return raised.value.mistake


@pytest.mark.parametrize(
    ("text", "line", "says", "remedy"),
    [
        ("a: 1\nids: [${r1}, ${r2}]\n", 2, "a placeholder inside [ ] or { } has no quotes", '"${column}"'),
        ("a: {b: ${r1}}\n", 1, "a placeholder inside", '"${column}"'),
        ("a: 1\n\tb: 2\n", 2, "a tab indents the line", "spaces"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "a tab indents the line", "spaces"),
        ("a: 1\nb:\u00a02\nc: 3\n", 2, "U+00A0 NO-BREAK SPACE does not show", "space"),
        (
            "a: 1\nb: [\u201cx\u201d, \u201cy: z\u201d\nc: 3\n",
            2,
            "U+201C LEFT DOUBLE QUOTATION MARK is no quote",
            "plain",
        ),
        ("a: 1\nb:2\nc: 3\n", 2, "`b:` has no space behind it", "write `b: 2`"),
        ("a:\n  - x\n b: 2\n", 3, "the line does not continue what is above it", "indented"),
        ('a: 1\nname: "run 7"/${s}\nb: 2\n', 2, "a text continues after its closing quote at column 14", "all of it"),
        ("a: 'run 7' of ${s}\nb: 2\n", 1, "a text continues after its closing quote", "all of it"),
        ('a: ["run 7"/${s}]\nb: 2\n', 1, "a text continues after its closing quote", "all of it"),
        ('a: ["${r1}" "${r2}"]\nb: 2\n', 1, "a list in [ ] is not continued", "by commas"),
        ('a: ["x" ${r2}]\nb: 2\n', 1, "a placeholder inside [ ] or { } has no quotes", '"${column}"'),
        ("a: 'x\nb: 2\n", 3, "a quote opens on line 1", "never closed"),
    ],
)
def test_a_slip_is_named_on_its_line(text, line, says, remedy):
    """Not where the parser gave up, and not in the parser's words."""
    mistake = first_mistake(text)
    assert (mistake.line, says in mistake.message, remedy in (mistake.remedy or "")) == (line, True, True), mistake


@given(st.text(), st.text(), st.text())
def test_any_lines_make_a_message(problem, here, before):
    """Whatever stands there: the line is one of the two."""
    found = slip(problem, 5, 1, here, before)
    assert found.line in (4, 5)
    assert found.what or not problem


def test_a_line_is_found_behind_the_first_pieces():
    """The text is read in pieces; a line may lie in any, or across two."""
    text = Text(io.BytesIO(b"x" * 70_000 + b"\n" + b"y" * 70_000 + b"\nlast\n"))
    assert text.line_at(2) == "y" * 70_000
    assert (text.line_at(3), text.line_at(4), text.line_at(9)) == ("last", "", "")
