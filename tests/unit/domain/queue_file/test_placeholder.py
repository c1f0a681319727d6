"""Typed cells, lists and elements that are left out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.queue_file.placeholder import CellError, Placeholder, parse
from orchestrator.domain.queue_file.template import compile_template


def fill(value, **row):
    template = compile_template(value, columns=row)
    assert template.mistakes == ()
    return template.fill(row)


@pytest.mark.parametrize(
    ("text", "cell", "value"),
    [
        ("${n}", "1", "1"),
        ("${n:int}", "12", 12),
        ("${n:int}", "-3", -3),
        ("${n:float}", "1.50", Decimal("1.50")),
        ("${n:float}", "2", Decimal(2)),
        ("${n:bool}", "TRUE", True),
        ("${n:bool}", "false", False),
        ("${n[]}", "a; b;c", ["a", "b", "c"]),
        ("${n[]}", "a", ["a"]),
        ("${n[]}", "", []),
        ("${?n}", "a", "a"),
        ("${?n:int}", "7", 7),
        ("$${n:int}", "7", "${n:int}"),
    ],
)
def test_a_placeholder_alone_has_a_type(text, cell, value):
    """It is not text, but what its cell says."""
    filled = fill({"x": text}, n=cell)["x"]
    assert (filled, type(filled)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "cell", "says"),
    [
        ("${n:int}", "1.5", "'1.5' is no whole number"),
        ("${n:int}", "007", "is no whole number"),
        ("${n:int}", "1,000", "is no whole number"),
        ("${n:int}", "", "is empty, and must be a whole number"),
        ("${n:float}", "1,5", "is no number"),
        ("${n:float}", "NaN", "is no number"),
        ("${n:float}", "1e9999x", "is no number"),
        ("${n:bool}", "yes", "is neither true nor false"),
        ("${n[]}", "a;;b", "has an empty entry"),
    ],
)
def test_a_cell_that_is_of_another_type_is_refused(text, cell, says):
    """With its column; nothing is guessed."""
    with pytest.raises(CellError, match=says) as raised:
        fill([text], n=cell)
    assert raised.value.column == "n"


def test_lists_join_and_empty_elements_are_left_out():
    """In a list both change its length; in an object the key goes."""
    value = ["a", "${?b}", "${c[]}", "${d}"]
    assert fill(value, b="", c="1;2", d="x") == ["a", "1", "2", "x"]
    assert fill(value, b="B", c="", d="x") == ["a", "B", "x"]
    assert fill({"k": "${?b}", "l": 1}, b="") == {"l": 1}
    assert fill({"k": "${b[]}"}, b="1;2") == {"k": ["1", "2"]}


@pytest.mark.parametrize("text", ["x${n:int}", "${a}${?n}", "${n[]}.gz"])
def test_inside_a_longer_text_there_is_only_text(text):
    """`run-${n:int}` would be text again, and `${n[]}` none at all."""
    (mistake,) = compile_template({"k": text}).mistakes
    assert mistake.path == ("k",)
    assert "inside a longer text" in mistake.message


def test_a_column_of_that_very_name_comes_first():
    """A table of before may have a column named like a typed one."""
    assert fill("${n:int}", **{"n:int": "x"}) == "x"
    assert parse("?n[]", ["?n[]"]) == Placeholder("?n[]")


def test_differing_cells_of_a_group_are_no_text():
    """`group_by` gathered them; the message names the list."""
    with pytest.raises(CellError, match="2 different values") as raised:
        fill("${n}", n=["a", "b"])
    assert "${n[]}" in raised.value.remedy
    assert fill("${n[]}", n=["a", "b;c"]) == ["a", "b", "c"]


@given(st.text())
def test_whatever_stands_in_the_braces_is_parsed(inside):
    """It has a column, whatever it is; one that is no placeholder of ours is a column's name."""
    placeholder = parse(inside)
    assert placeholder.column or not inside
    assert parse(inside, [inside]) == Placeholder(inside)


@given(st.integers(), st.booleans(), st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_json_scalars_read_back(number, flag, decimal):
    """What JSON writes is what a typed cell reads."""
    row = {"n": str(number), "b": str(flag), "d": f"{decimal:f}"}
    assert fill(["${n:int}", "${b:bool}", "${d:float}"], **row) == [number, flag, decimal]
