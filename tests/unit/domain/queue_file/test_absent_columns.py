"""The columns that were probably meant, in one question."""

import pytest

from orchestrator.domain.queue_file.absent_columns import columns_meant

HIDDEN = "R\u200b2"


@pytest.mark.parametrize(
    ("absent", "columns", "says"),
    [
        (["samplee"], ["sample", "r1"], "did you mean `sample`?"),
        (["samplee", "R1"], ["sample", "r1"], "did you mean `sample`, `r1`?"),
        (["r2"], ["sample", HIDDEN], f"did you mean `{HIDDEN}`? (it holds U+200B ZERO WIDTH SPACE behind R)"),
        (
            ["samplee", "r2"],
            ["sample", HIDDEN],
            f"did you mean `sample`, `{HIDDEN}`? (`{HIDDEN}` holds U+200B ZERO WIDTH SPACE behind R)",
        ),
        (
            ["samplee", "n:integer"],
            ["sample", "n"],
            "write `${n:int}`, for the types are int, float and bool; did you mean `sample`?",
        ),
        (["sample_id"], ["did you mean", "?"], None),
    ],
)
def test_all_names_are_in_one_question(absent, columns, says):
    """Also where one of them holds a character that does not show; types of cells come before."""
    assert columns_meant(absent, columns) == says
