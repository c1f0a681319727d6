"""Objects of a template that are repeated or left out."""

import pytest

from orchestrator.domain.queue_file.template import compile_template, filled_at

FILE = {"class": "File", "path": "${ids[]}"}


def filled(template, repeats=frozenset(), **row):
    return compile_template(template, columns=row, repeats=repeats).fill(row)


@pytest.mark.parametrize(
    ("template", "cell", "value"),
    [
        ([FILE], "a;b", [{"class": "File", "path": "a"}, {"class": "File", "path": "b"}]),
        ([FILE], "", []),
        ({"x": FILE}, "a", {"x": [{"class": "File", "path": "a"}]}),
        ([{"path": "${?ids[]}", "n": 1}], "", []),
        ([{"path": "${?ids}", "n": "${ids}"}], "", []),
        ({"x": {"path": "${?ids}"}, "y": 1}, "", {"y": 1}),
        ({"x": {"path": "${?ids}"}}, "a", {"x": {"path": "a"}}),
    ],
)
def test_a_key_that_takes_one_text_repeats_or_removes_its_object(template, cell, value):
    """One object for each value of a list; none for an empty optional cell."""
    assert filled(template, frozenset({"path"}), ids=cell) == value


def test_elsewhere_a_list_stays_a_list():
    """As the data ids of an input are."""
    assert filled([{"code": "r", "dataIds": "${ids[]}"}], ids="a;b") == [{"code": "r", "dataIds": ["a", "b"]}]


def test_an_object_in_a_list_is_left_out_with_all_of_its_placeholders():
    """A parameter without a value is none; one that another cell fills stays, and so does what is no element."""
    parameter = {"code": "chip", "value": "${?chip}"}
    assert filled({"parameters": [parameter]}, chip="") == {"parameters": []}
    assert filled({"parameters": [parameter | {"also": "${n}"}]}, chip="", n="1") == {
        "parameters": [{"code": "chip", "also": "1"}]
    }
    assert filled({"extra": parameter}, chip="") == {"extra": {"code": "chip"}}
    assert filled({"parameters": [parameter]}, chip="7") == {"parameters": [{"code": "chip", "value": "7"}]}


def test_a_repeated_object_is_found_by_the_place_of_what_became_of_it():
    """So that a mistake names the column."""
    assert filled_at({"reads": [{"class": "File", "path": "x"}, FILE]}, ("reads", 4, "path")) == "${ids[]}"
