"""Whether a cell or the template is to blame for a wrong item."""

from dataclasses import replace

import pytest

from orchestrator.domain.messages.mistake import Mistake
from orchestrator.intake.validation.faulty_cells import of_bare_cell, of_cell, of_template

TEMPLATE = {"tags": "${tags}"}
ROW = {"tags": "a"}


@pytest.mark.parametrize(
    ("wanted", "remedy"),
    [
        ("a list", 'write `["${tags}"]`, or `${tags[]}` for a cell of several values with `;` between'),
        ("a whole number", "write `${tags:int}`"),
        ("a date", None),
    ],
)
def test_a_placeholder_of_another_type_is_a_mistake_of_the_template(wanted, remedy):
    """Whatever the message says; of a type that no placeholder has, only that it is needed."""
    mistake = Mistake("is wrong", None, ("tags",), wanted=wanted)
    assert of_cell(mistake, TEMPLATE, ROW) is None
    found = of_template(mistake, TEMPLATE, ROW)
    assert (found.message, found.remedy) == (f"must be {wanted}, and `${{tags}}` is a text", remedy)


def test_a_message_that_reads_alike_is_a_mistake_of_the_cell():
    """What is wanted is a value of its own, not words of a message."""
    mistake = Mistake("must be a list, and is the text 'a'", None, ("tags",))
    found = of_cell(mistake, TEMPLATE, ROW)
    assert found is not None
    assert (found.column, found.remedy) == ("tags", "correct the cell; the template writes it into `${tags}`")
    assert of_bare_cell(mistake).remedy is None


def test_a_cell_is_not_to_be_written_without_quotes():
    """That helps in a document alone: what a table says is a text."""
    mistake = Mistake("must be a whole number, and is the text '5'", "write it without quotes: 5", ("n",))
    found = of_bare_cell(replace(mistake, wanted="a whole number"))
    assert (found.column, found.remedy.partition(":")[0]) == ("n", "a cell is a text")
