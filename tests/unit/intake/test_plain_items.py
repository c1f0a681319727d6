"""The short way of ordinary items: it takes the same bytes as the events would, and nothing that they would tell of."""

import io
import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.domain.messages.mistake import Mistake, Mistakes
from orchestrator.intake.reading import json_stream, plain_yaml, text
from orchestrator.intake.reading.json_stream import JsonEvents
from orchestrator.intake.reading.plain_json import LONGEST, take_plain
from orchestrator.intake.reading.spill import read_portions
from orchestrator.intake.reading.text import MalformedTextError, Text
from orchestrator.intake.reading.yaml_stream import YamlEvents
from orchestrator.intake.validation.document import DocumentReader

LEVELS = 60

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=6) | st.sampled_from(
    ["", "a:b", '"', "\\", "\\u0041", "😀", "\n", "\t", "\x7f", "\u2028", "items", "0172", "NO", "<<", "1.10"]
)
NUMBERS = st.integers() | st.sampled_from(
    ["-0", "1.10", "1E5", "1e400", "9" * 5000, "1e99999999999999999999", "01", "NaN"]
)
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS
ODD = [
    "",
    ",",
    ":",
    "}",
    "]",
    "{",
    '"',
    "\\",
    " ",
    "\t",
    "\x00",
    "\\ud800",
    "\\u0000",
    "\\b",
    "\\u003a",
    "\\u00e9",
    "'",
    "&",
]


@st.composite
def spelt(draw, value):
    """JSON text of a value, with any white space, any escapes, and now and then a key twice."""
    gap = lambda: draw(st.sampled_from(["", "", "", " ", "\n ", "\t"]))  # noqa: E731 - as short as what it stands for
    if isinstance(value, dict):
        pairs = [pair for pair in value.items() for _ in range(1 + (draw(st.integers(0, 30)) == 0))]
        inner = ",".join(f"{gap()}{draw(spelt(key))}{gap()}:{gap()}{draw(spelt(each))}" for key, each in pairs)
        return f"{{{inner}{gap()}}}"
    if isinstance(value, list):
        return f"[{','.join(gap() + draw(spelt(each)) + gap() for each in value)}]"
    if isinstance(value, str) and value in (
        "-0",
        "1.10",
        "1E5",
        "1e400",
        "01",
        "NaN",
        "1e99999999999999999999",
        "9" * 5000,
    ):
        return value if draw(st.booleans()) else json.dumps(value)
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


@st.composite
def documents(draw):
    """The text of a queue file with one or two jobs; some are spoilt at one place."""
    values = st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8
    )
    jobs = []
    for _ in range(draw(st.integers(1, 2))):
        items = draw(st.lists(st.dictionaries(WORDS, values, max_size=3) | LEAVES, max_size=6))
        written = ", ".join([draw(spelt(item)) for item in items])
        jobs.append(f'{{"name": "a", "items": [{written}], "kind": "b"}}')
    whole = f'{{"version": 1, "jobs": [{", ".join(jobs)}]}}\n'
    if draw(st.booleans()):
        at, until = sorted(draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
        whole = whole[:at] + draw(st.sampled_from(ODD)) + whole[min(until, at + 3) :]
    return whole


def read(document, *, is_yaml, short, piece=text.PIECE):
    """What a reader makes of a document: header and items, mistakes, and how many items went the short way."""
    mistakes, scratch, taken = Mistakes(), io.BytesIO(), 0
    source = Text(io.BytesIO(document.encode("utf-8", "surrogatepass")), yaml=is_yaml)
    events = YamlEvents(source, mistakes) if is_yaml else JsonEvents(source)
    real = events.values

    def counted(levels):
        nonlocal taken
        for value in real(levels) if short else ():
            taken += 1
            yield value

    events.values = counted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "PIECE", piece)
        work = DocumentReader(events, source, mistakes, scratch).read()
        found = None
        try:
            while True:
                next(work)
        except StopIteration as stop:
            runs = stop.value.runs
            items = {
                index: [
                    item for portion in read_portions(scratch, run.offset, run.count, list[bytes]) for item in portion
                ]
                for index, run in runs.items()
            }
            found = (stop.value.header, items)
        except MalformedTextError as error:
            # Without a line it is met again by a reader that counts lines, which knows no short way: that one is told.
            if "half a character" in str(error) or "too large to keep" in str(error):
                mistakes = Mistakes()  # these two end the reading before the rest of their piece has been told
            mistakes.append(error.mistake if error.mistake.line else Mistake("met again, line by line"))
    return found, [str(mistake) for mistake in mistakes], taken


@given(documents(), st.sampled_from([7, 64, text.PIECE]))
@example('{"jobs": [{"items": [{"a": 1},]}]}\n', 7)
@example('{"jobs": [{"items": [{"a": 1} {"b": 2}]}]}\n', 7)
@example('{"jobs": [{"items": [{"a": 1}', 7)
@example('{"jobs": [{"items": [{"a": 1}, {"a": 1, "a": 2}, {"b": 1}]}]}\n', 7)
@example('{"jobs": [{"items": [{"a": {"x": 1, "x\\u003a": 1, "x": 1}}]}]}\n', 7)
@example('{"jobs": [{"items": [{"a": [}, "a text of more than one piece\x00"]}]}\n', 7)
@example('{"jobs": [{"x": {"items": [{"a": 1}]}, "items": [{"a": 1}]}]}\n', 7)
@example('{"jobs": [{"\\u0069tems": [{"x": {"items": [1]}}]}]}\n', text.PIECE)
def test_json_comes_to_the_same_on_either_way(document, piece):
    """Event by event, or with the short way: the same header, items and mistakes, whatever the pieces of the text."""
    assert (
        read(document, is_yaml=False, short=True, piece=piece)[:2]
        == read(document, is_yaml=False, short=False, piece=piece)[:2]
    )


@given(documents(), st.sampled_from([7, 64, text.PIECE]))
@example('{"jobs": [{"items": [{"a": 1}, {"a": &x 1, "b": *x}, {"a": 1, "a": 2}]}]}\n', 7)
@example('{"jobs": [{"items": [{"a": !!str 1}, {<<: 1}, {[1]: 2}, {"a": 1]]}]}\n', 7)
@example('jobs:\n- items:\n  - a: 1\n  - a:\n    - x\n    -\n  - a: |\n      - b\n    c: "\\0"\n  name: x\n', 7)
def test_yaml_comes_to_the_same_on_either_way(document, piece):
    """The same for YAML, of which these documents are some."""
    assert (
        read(document, is_yaml=True, short=True, piece=piece)[:2]
        == read(document, is_yaml=True, short=False, piece=piece)[:2]
    )


@given(
    st.lists(
        st.dictionaries(WORDS.filter(str.isprintable), LEAVES | st.lists(LEAVES, max_size=3), max_size=3), max_size=5
    )
)
def test_block_yaml_comes_to_the_same_on_either_way(items):
    """And for YAML as libraries write it."""
    document = yaml.safe_dump({"version": 1, "jobs": [{"name": "a", "items": items}]}, allow_unicode=True)
    assert read(document, is_yaml=True, short=True)[:2] == read(document, is_yaml=True, short=False)[:2]


@pytest.mark.parametrize("is_yaml", [False, True])
@pytest.mark.parametrize("piece", [50, text.PIECE])
def test_ordinary_items_go_the_short_way(is_yaml, piece):
    """All of them, in every job, whatever their layout: otherwise nothing would be gained."""
    items = [
        {"dataId": f"fil.{number}", "tags": {"a": ["ü", "b:c", '"q"', "C:\\d", "€"], "n": None}} for number in range(50)
    ]
    document = {"version": 1, "jobs": [{"name": name, "items": items, "kind": "k"} for name in "abc"]}
    for indent in (None, 2):
        found, mistakes, taken = read(
            json.dumps(document, indent=indent) + "\n", is_yaml=is_yaml, short=True, piece=piece
        )
        assert mistakes == []
        assert [len(run) for run in found[1].values()] == [50, 50, 50]
        # A piece may end within `"items": [`; then that list goes the long way.
        assert taken == 150 if is_yaml or piece == text.PIECE else taken >= 50


def test_yaml_goes_on_the_short_way_behind_an_odd_item():
    """One item with an anchor does not slow down the others."""
    lines = [f"  - {{dataId: fil.{number}}}\n" for number in range(9)]
    lines[4] = "  - {dataId: &x fil.4}\n"
    _, mistakes, taken = read("jobs:\n- items:\n" + "".join(lines), is_yaml=True, short=True)
    assert (len(mistakes), taken) == (1, 8)


@pytest.mark.parametrize("levels", [LEVELS, LEVELS + 1])
@pytest.mark.parametrize("is_yaml", [False, True])
def test_the_short_way_is_as_deep_as_the_long_one(is_yaml, levels):
    """An item of sixty levels fits into the document's, and one more does not."""
    item = '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"
    document = f'{{"jobs": [{{"items": [{item}]}}]}}\n'
    found, mistakes, taken = read(document, is_yaml=is_yaml, short=True)
    assert (found is None, len(mistakes), taken) == ((False, 0, 1) if levels == LEVELS else (True, 1, 0))


@pytest.mark.parametrize(
    "value",
    [
        '{"a": 1, "a": 1}',
        '{"a": {"b": 1, "b": 2}}',
        '{"a": "\\u0007"}',
        '{"a": "\\b"}',
        '{"a": "\\ud800"}',
        '{"a\\u003a": 1}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1,}',
        '{"a": 01}',
        '{"a": "\t"}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a": 1e99999999999999999999}',
        '{"a": "' + "x" * LONGEST + '"}',
        "[" * 100_000,
        '{"a": 1',
        "",
    ],
)
def test_what_there_may_be_something_to_tell_about_is_not_taken(value):
    """Neither what is wrong, nor what only the events can judge."""
    assert take_plain(value + ",", 0, LEVELS) is None


def test_a_value_is_taken_with_what_ends_it():
    """Its spelling, where the comma or bracket stands, and which of the two it is."""
    plain = take_plain(' {"b": 1.10, "a": "\\u00e9"}\n ]', 0, LEVELS)
    assert plain == ('{"a":"é","b":1.10}'.encode(), 29, True)
    assert take_plain("[1],", 0, LEVELS) == (b"[1]", 3, False)
    assert take_plain("[1]", 0, LEVELS) is None


def test_a_long_item_is_read_event_by_event():
    """What does not fit into what is read ahead is no mistake, and neither is what follows it."""
    items = [{"a": "x" * 10}, {"a": "y" * (json_stream._MOST_AHEAD + 2 * text.PIECE)}, {"a": "z"}]
    found, mistakes, taken = read(json.dumps({"jobs": [{"items": items}]}), is_yaml=False, short=True)
    assert ([json.loads(item) for item in found[1][0]], mistakes, taken) == (items, [], 1)


def test_an_item_of_very_many_values_is_read_event_by_event():
    """The events of an item are kept only up to a number."""
    items = [{"a": [0] * plain_yaml.LONGEST}, {"a": [0]}]
    found, mistakes, taken = read(json.dumps({"jobs": [{"items": items}]}) + "\n", is_yaml=True, short=True)
    assert ([json.loads(item) for item in found[1][0]], mistakes, taken) == (items, [], 1)
