"""Templates: filling from a row, merging under an item."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.queue_file.template import compile_template, filled_at, merge, reaches, uses_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="$")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("${a}", "1"),
        ("x-${a}-${b}", "x-1-two"),
        ("$$", "$"),
        ("$${a}", "${a}"),
        ("$$${a}", "$1"),
        ("costs 5$", "costs 5$"),
        ("$a", "$a"),
        ("100% ${a} %s %%", "100% 1 %s %%"),
        ("100%s %(a)s", "100%s %(a)s"),
        ({"k": ["${b}", 5, None, {"deep": "${a}"}]}, {"k": ["two", 5, None, {"deep": "1"}]}),
    ],
)
def test_columns_are_filled_wherever_text_stands(template, filled):
    """`${column}` becomes the cell's text, `$$` a dollar sign, and everything else stays as written."""
    assert filled == compile_template(template).fill({"a": "1", "b": "two"})


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("a",), "x${c}"),
        (("a", "deeper"), "x${c}"),
        (("b", 0, "d"), "${c}"),
        (("b", 1), None),
        (("b", 7), None),
        (("b",), None),
        (("k",), None),
        (("gone",), None),
        (("b", 0, "gone"), None),
        ((), None),
    ],
)
def test_what_a_row_fills_is_found_by_its_path(path, text):
    """The text with columns that stands there or in the way; constants, lists, objects and absent keys no row fills."""
    assert filled_at({"a": "x${c}", "b": [{"d": "${c}"}, 5], "k": "$${c}"}, path) == text


@pytest.mark.parametrize(
    ("path", "settled"),
    [((), True), (("a",), True), (("a", "x"), True), (("b", "c"), True), (("b", "d"), False), (("e",), False)],
)
def test_what_a_value_settles_is_found_by_its_path(path, settled):
    """What is there, and what cannot be there because something else is in its place."""
    assert reaches({"a": [1], "b": {"c": None}}, path) is settled


def test_a_filled_value_stays_text():
    """A string that is exactly one column is text even where the cell looks like a number."""
    assert compile_template("${a}").fill({"a": "0172"}) == "0172"


def test_every_row_fills_a_value_of_its_own():
    """What is filled for one row is not seen by the next; the parts without columns stay as they are."""
    template = compile_template({"a": ["${a}", {"same": 1}], "b": {"same": 2}})
    first, second = template.fill({"a": "%s"}), template.fill({"a": "2"})
    assert first == {"a": ["%s", {"same": 1}], "b": {"same": 2}}
    assert second == {"a": ["2", {"same": 1}], "b": {"same": 2}}


def test_an_open_brace_is_told_with_its_place():
    """`${` without `}` is a mistake at its path."""
    (mistake,) = compile_template({"a": ["x ${b"]}, ("template",)).mistakes
    assert mistake.path == ("template", "a", 0)


def test_columns_are_told_with_their_places():
    """Each use of a column is told with where it stands."""
    assert list(uses_of({"a": ["${b}", "$$ ${c}"], "d": "$${e}"})) == [("b", ("a", 0)), ("c", ("a", 1))]


@given(JSON)
def test_a_template_without_columns_is_itself(value):
    """Nothing but `$` signs is ever changed."""
    assert value == compile_template(value).fill({})


def test_merge_is_deep_and_the_item_wins():
    """Objects merge key by key; lists, null and scalars of the item replace what lies below."""
    under = {"a": {"x": 1, "y": 2}, "list": [1, 2], "gone": 5}
    over = {"a": {"y": 3}, "list": [9], "gone": None, "new": 1}
    assert merge(under, over) == {"a": {"x": 1, "y": 3}, "list": [9], "gone": None, "new": 1}
    assert under == {"a": {"x": 1, "y": 2}, "list": [1, 2], "gone": 5}


@given(JSON, JSON)
def test_merge_with_nothing_changes_nothing(under, over):
    """Merging an empty object on either side is the other side; merging twice is merging once."""
    assert merge({}, over) == over
    once = merge(under, over)
    assert merge(once, over) == once
