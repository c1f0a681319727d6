"""YAML as it is read: JSON's meaning in YAML's spelling, and nothing else."""

import io
from decimal import Decimal

import pytest

from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.intake.reading.text import MalformedTextError, Text
from orchestrator.intake.reading.yaml_stream import YamlEvents
from orchestrator.intake.validation.document import DocumentReader


def read(text):
    """The header of a document, and its mistakes as text."""
    mistakes = Mistakes()
    source = Text(io.BytesIO(text if isinstance(text, bytes) else text.encode()), yaml=True)
    work = DocumentReader(YamlEvents(source, mistakes), source, mistakes, io.BytesIO()).read()
    header = None
    try:
        while True:
            next(work)
    except StopIteration as stop:
        header = stop.value.header
    except MalformedTextError as error:
        mistakes.append(error.mistake)
    return header, [str(mistake) for mistake in mistakes]


@pytest.mark.parametrize(
    "text", ["0172", "NO", "yes", "1_000", "~", "0x1f", "1:30", ".5", "5.", "+1", "2024-01-01", "Null"]
)
def test_what_is_no_json_literal_is_text(text):
    """Leading zeros, Norwegians, times and dates stay as they were written."""
    assert ({"a": text}, []) == read(f"a: {text}\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-0", 0),
        ("172", 172),
        ("1.10", Decimal("1.10")),
        ("1e5", Decimal("1E+5")),
        ("9" * 40, int("9" * 40)),
    ],
)
def test_json_literals_are_typed_unless_quoted(text, value):
    """JSON's own literals have their types; in quotes they are text."""
    assert ({"a": value}, []) == read(f"a: {text}\n")
    assert ({"a": text}, []) == read(f'a: "{text}"\n')
    assert ({"a": text}, []) == read(f"a: '{text}'\n")


def test_an_empty_value_is_empty_text():
    """A key with nothing behind it is no null."""
    assert read("a:\n") == ({"a": ""}, [])


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("a: 1\nb: &x 2\n", "anchors", 2),
        ("a: &x 1\nb: *x\n", "aliases", 2),
        ("a: !!str x\n", "tags", 1),
        ("a: !mine {b: 1}\n", "tags", 1),
        ("a: ! x\n", "tags", 1),
        ("a: 1\n<<: {b: 1}\n", "merge keys", 2),
        ("%YAML 1.1\n---\na: 1\n", "directives", 1),
        ("a: 1\n---\nb: 1\n", "second document", 2),
        ("? [a]\n: b\n", "a key must be text", 1),
        ("a: 1\nb: 2\na: 3\n", "second time", 3),
        ("a: b: c\n", "in quotes", 1),
        ("a: [1,\n", "is not YAML", 2),
        ("a:\n\tb: 1\n", "tab", 2),
        ("a: 1", "newline", 1),
        ("a: \x01\n", "U+0001", 1),
        ("a: 1\nb: \x00\n", "NUL", 2),
        ("a: \x85\n", "U+0085", 1),
        ("a: \u2028\n", "U+2028", 1),
        ('a: "\\0"\n', "U+0000", None),
        ("a: " + "9" * 2000 + "\n", "number", 1),
        ("a: 1e99999999999999999999\n", "number", 1),
    ],
)
def test_what_surprises_is_refused_with_its_line(text, what, line):
    """Each of YAML's other abilities, and each broken text, is told with where."""
    _, mistakes = read(text)
    assert any(what in mistake and (line is None or f"line {line}" in mistake) for mistake in mistakes), mistakes


@pytest.mark.parametrize(("raw", "what"), [(b"a: \xe9\n", "0xE9 at column 4"), ("a: b\n".encode("utf-16"), "UTF-16")])
def test_other_encodings_are_told(raw, what):
    """Only UTF-8 is read; the remedy says so."""
    _, (mistake,) = read(raw)
    assert what in mistake
    assert "UTF-8" in mistake


def test_a_byte_order_mark_is_no_text():
    """Windows editors put one in front; it means nothing."""
    assert read("\ufeffa: é\n") == ({"a": "é"}, [])


@pytest.mark.parametrize("text", ["[" * 100_000 + "\n", "- " * 100_000 + "\n", "{a: " * 70 + "1" + "}" * 70 + "\n"])
def test_depth_ends_the_reading(text):
    """A hundred thousand levels cost no more than sixty-five."""
    _, mistakes = read(text)
    assert any("deeper than 64" in mistake for mistake in mistakes)


def test_sixty_four_levels_are_read():
    """The limit itself is allowed."""
    assert read("[" * 64 + "]" * 64 + "\n")[1] == []
    assert read("[" * 65 + "]" * 65 + "\n")[1] != []


def test_several_small_mistakes_come_together():
    """Refused abilities do not end the reading."""
    _, mistakes = read("a: &x 1\nb: !t 2\nc: 3\nc: 4\n")
    assert len(mistakes) == 3
