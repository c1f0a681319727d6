"""The result as a table: our columns and the table's own, in portions, safe to open."""

import csv
import io

import pytest
from documents import FakeStore, all_of, as_csv, cell_of, item, job, row, table, written
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.messages.printable import printable
from orchestrator.domain.model import ItemState
from orchestrator.domain.result_columns import ITEM_COLUMNS, OUR_COLUMNS
from orchestrator.engine.result_document import (
    describe_item,
)

# ---------------------------------------------------------------- CSV


async def test_the_table_has_the_tables_columns_and_then_ours():
    """Each item is a row: the row that it was made from, then what became of it."""
    rows = await table([item(1, row=row(sample="s1", r1="fil.1"))], [item(2, row=row(sample="s2", r1="fil.2"))])
    assert rows[0] == ["sample", "r1", *OUR_COLUMNS]
    assert rows[0][2:6] == ["state", "reason", "duration_s", "link"]
    assert [each[:2] for each in rows[1:]] == [["s1", "fil.1"], ["s2", "fil.2"]]
    assert rows[1][2:9] == ["succeeded", "", "90", "", "run-0172/s1", "1", "analysis"]


def test_the_columns_are_the_fields():
    """The header names what stands below it."""
    assert list(ITEM_COLUMNS) == list(describe_item(item()))


async def test_items_without_a_table_have_our_columns_alone():
    """Native items make a table too, empty where nothing is known."""
    rows = await table([item(status=None, remote_id=None, batch=None, finished_at=None)])
    assert rows[0] == list(OUR_COLUMNS)
    told = dict(zip(*rows, strict=True))
    assert {told[name] for name in ("status", "remote_id", "batch", "finished_at")} == {""}


async def test_earlier_objects_stand_in_one_cell():
    """The ids of earlier attempts are separated by spaces."""
    rows = await table([item(previous_ids=("a-1", "a-2"), attempts=3)])
    told = dict(zip(*rows, strict=True))
    assert (told["previous_ids"], told["attempts"]) == ("a-1 a-2", "3")


@pytest.mark.parametrize("portions", [(), ([],), ([], [])])
async def test_a_table_without_items_has_its_header(portions):
    """A reader finds the columns even where nothing was to be done."""
    assert [list(OUR_COLUMNS)] == await table(*portions)


async def test_the_header_stands_once_whatever_the_portions():
    """Empty portions before and between the items add no line."""
    rows = await table([], [item(1)], [], [item(2)])
    assert [row[4] for row in rows] == ["key", "run-0172/s1", "run-0172/s2"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_any_cell_reads_back(text):
    """Commas, quotes and line breaks are quoted; only a formula, and a character that does not show, is changed."""
    told = all_of(as_csv(FakeStore(portions=[[item(row=row(note=text))]]), job())).decode()
    cell = list(csv.reader(io.StringIO(told, newline=""), strict=True))[1][0]
    assert printable(text, keep="\t\r\n") in {cell, cell.removeprefix("'")}


async def test_lines_end_as_rfc_4180_says():
    """Each record ends in CR LF."""
    text = await written(as_csv(FakeStore(portions=[[item(1), item(2)]]), job()))
    assert text.count(b"\r\n") == text.count(b"\n") == 3


# ---------------------------------------------------------------- formulas


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        '=HYPERLINK("http://evil.example","open")',
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "-sum(a1)",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "+-1",
        "-1e5x",
        "+٣",
    ],
)
async def test_a_cell_that_a_spreadsheet_would_run_is_text(formula):
    """A leading quote keeps a formula from being run when somebody opens the result."""
    assert await cell_of(formula) == f"'{formula}"


@pytest.mark.parametrize("plain", ["-", "+", "-1", "+1", "-1.5", "-0.3e-7", "-12.", "a=b", "s1", "", "'quoted", "1-2"])
async def test_what_is_no_formula_stays_as_it_is(plain):
    """A strand, a signed number, a text with a sign inside: programs read back what was in the table."""
    assert plain == await cell_of(plain)


async def test_formulas_are_defused_wherever_they_come_from():
    """The platform's detail, an item's key and the name of a column are as little to be trusted as a cell."""
    rows = await table([item(key="=key", detail="@detail", remote_id="=id", row=row(**{"=column": "x"}))])
    told = dict(zip(*rows, strict=True))
    assert (told["key"], told["detail"], told["remote_id"]) == ("'=key", "'@detail", "'=id")
    assert rows[0][0] == "'=column"


# ---------------------------------------------------------------- columns that clash


async def test_a_column_named_like_one_of_ours_is_told_apart():
    """`state` of the table does not pass for the state of the item."""
    rows = await table([item(row=row(state="Bavaria", sample="s1", status="married"))])
    assert rows[0][:3] == ["table.state", "sample", "table.status"]
    assert dict(zip(*rows, strict=True))["state"] == "succeeded"


@given(st.lists(st.sampled_from(["key", "table.key", "table.table.key", "table.x", "x", "tablekey"]), unique=True))
def test_no_two_columns_have_one_name(columns):
    """Not even where a table foresaw the name that we give to a column."""
    told = all_of(as_csv(FakeStore(portions=[[item(row=row(**dict.fromkeys(columns, "1")))]]), job())).decode()
    header = next(csv.reader(io.StringIO(told, newline="")))
    assert len(set(header)) == len(header) == len(OUR_COLUMNS) + len(columns)


async def test_a_column_that_clashes_with_nothing_keeps_its_name():
    """Only what could be mistaken is renamed."""
    rows = await table([item(row=row(**{"table.x": "1", "Key": "2", "sample": "3"}))])
    assert rows[0][:3] == ["table.x", "Key", "sample"]


# ---------------------------------------------------------------- the verdict


async def test_the_reason_is_the_detail_or_else_the_status():
    """Of what succeeded there is none."""
    failed = item(1, state=ItemState.FAILED, status="FAILED", detail="no such file")
    aborted = item(2, state=ItemState.ABORTED, status="ABORTED")
    rows = await table([failed, aborted, item(3)])
    assert [row[1] for row in rows] == ["reason", "no such file", "ABORTED", ""]


async def test_what_was_never_sent_took_no_time():
    """The duration is empty where one of its ends is not known."""
    rows = await table([item(1, submitted_at=None), item(2, finished_at=None)])
    assert [row[2] for row in rows] == ["duration_s", "", ""]


async def test_a_found_item_names_its_parent_and_its_facts():
    """The parent by its key, the facts as the JSON object that they are."""
    rows = await table([item(2, parent=1, parent_key="run-0172/s1", facts='{"price":0.5}')])
    told = dict(zip(*rows, strict=True))
    assert (told["parent"], told["facts"]) == ("run-0172/s1", '{"price":0.5}')
