"""Tables: rows of text, whatever the spelling."""

import io

import pytest

from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.intake.reading.tables import Table, is_table


def read(name, text):
    """Columns, rows and mistakes."""
    table = Table(io.BytesIO(text if isinstance(text, bytes) else text.encode()), name)
    mistakes = Mistakes()
    columns = table.columns(mistakes)
    rows = list(filter(None, table.rows(mistakes))) if columns else []
    return rows, [str(mistake) for mistake in mistakes]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "s,r\na,1\nb,02\n"),
        ("t.csv", "\ufeffs,r\r\na,1\r\nb,02\r\n"),
        ("t.csv", '"s","r"\n"a","1"\n\n , \n"b","02"\n'.replace(" , ", ",")),
        ("t.tsv", "s\tr\na\t1\nb\t02\n"),
        ("t.jsonl", '{"s":"a","r":1}\n{"r":"02","s":"b"}\n'),
        ("t.ndjson", '{"s":"a","r":"1"}\n\n{"s":"b","r":"02"}\n'),
        ("T.CSV", " s ,r\na,1\nb,02\n"),
        ("t.csv", 's,r\n a,1 \n , \n"b ",\u00a002\n'),
        ("t.tsv", "s\tr \n a\t1\nb \t 02\n"),
        ("t.jsonl", '{" s":" a","r":1}\n{"r":"02 ","s ":"b"}\n'),
    ],
)
def test_the_same_rows_in_every_spelling(name, text):
    """Formats, quotes, line ends, empty lines, byte order marks and blanks around a cell make no difference."""
    rows, mistakes = read(name, text)
    assert mistakes == []
    assert [row for _, row in rows] == [{"s": "a", "r": "1"}, {"s": "b", "r": "02"}]


def test_quoted_cells_hold_anything():
    """Commas, quotes and line breaks stand in quotes, and lines are still counted right."""
    rows, mistakes = read("t.csv", 'a,b\n"x, ""y""\nz",1\nq,2\n')
    assert mistakes == []
    assert rows == [(2, {"a": 'x, "y"\nz', "b": "1"}), (4, {"a": "q", "b": "2"})]


def test_json_values_become_text():
    """Numbers keep their digits, true and false their names, null is empty."""
    rows, mistakes = read("t.jsonl", '{"a":1.10,"b":true,"c":null,"d":1000000000000000000000}\n')
    assert mistakes == []
    assert rows[0][1] == {"a": "1.10", "b": "true", "c": "", "d": "1000000000000000000000"}


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv", "a,a\n1,2\n", "columns 1 and 2"),
        ("t.csv", "a,b\n1\n", "line 2: has 1 cell,"),
        ("t.csv", "a,b\n1,2,3\n", "line 2: has 3 cells"),
        ("t.csv", "a,b\n1,2", "newline"),
        ("t.csv", 'a,b\n"1,2\n', "line 2"),
        ("t.csv", 'a,b\n"1"x,2\n', "line 2"),
        ("t.csv", "a,b\n1,\x00\n", "NUL"),
        ("t.csv", b"a\n\xff\n", "line 2: byte 0xFF"),
        ("t.csv", "a,b\n1,2\r3,4\n", "some lines end in a carriage return (CR) alone - save it with one kind of line"),
        ("t.csv", 'a,b\n"1,2\n', "a quote is never closed"),
        ("t.csv", 'a,b\n"1"x,2\n', "a cell has text behind its closing quote"),
        ("t.csv", "a\n" + "x" * 200_000 + "\n", "a cell is longer than may be"),
        ("t.csv", "a\n" + "x" * 2_000_000 + "\n", "line 2"),
        ("t.jsonl", '{"a":1}\n{"b":1}\n', "line 2: does not have the keys"),
        ("t.jsonl", '{"a":[1]}\n', "list or an object"),
        ("t.jsonl", '{"a":1,"a":2}\n', "twice"),
        ("t.jsonl", '{"a":1," a":2}\n', "twice"),
        ("t.jsonl", '{"a":NaN}\n', "NaN"),
        ("t.jsonl", '{"a":"\\ud800"}\n', "half a character"),
        ("t.jsonl", '{"a":"\\u0000"}\n', "control character"),
        ("t.jsonl", '{"a":"x\\u0085"}\n', "control character"),
        ("t.jsonl", '{"a":"\\u007f"}\n', "control character"),
        ("t.jsonl", "[1]\n", "not an object"),
        ("t.jsonl", '{"a":1}\n{"a":\n', "line 2: is not JSON"),
        ("t.jsonl", "[" * 100_000 + "\n", "nested too deep"),
        ("t.jsonl", '{"a":1}', "newline"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(name, text, what):
    """Each broken table says where and why, with the table's name."""
    _, mistakes = read(name, text)
    assert any(what in mistake and mistake.startswith(name) for mistake in mistakes), mistakes


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.csv", "a;b\n1;2\n", ";"),
        ("t.csv", "a\tb\n1\t2\n", "\t"),
        ("t.tsv", "a,b\n1,2\n", ","),
        ("t.csv", "a;b,c\n1;2,3\n", None),
        ("t.csv", "a\n1\n", None),
        ("t.jsonl", '{"a;b":1}\n', None),
    ],
)
def test_another_separator_is_noticed(name, text, told):
    """One column whose name holds what separates elsewhere."""
    table = Table(io.BytesIO(text.encode()), name)
    assert table.other_separator(table.columns(Mistakes())) == told


def test_one_bad_row_hides_no_other():
    """Every bad row is told."""
    assert len(read("t.csv", "a,b\n1\n1,2\n1,2,3\n")[1]) == 2


def test_tables_are_told_by_their_names():
    """Suffixes decide, in either case."""
    assert is_table("x.csv")
    assert is_table("x.JSONL")
    assert not is_table("x.json")
