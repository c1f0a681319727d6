"""Ids, codes and cells: what is no id is refused by name; what a spreadsheet made is noted, and sent as it stands."""

import json

import pytest

from orchestrator.domain.messages.printable import invisible_in
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.error_file import as_object
from orchestrator.intake.validation.check import check

ACCOUNTS = {"ica": AccountLimits("ica", 5000)}
PROJECT = "11111111-1111-1111-1111-111111111111"
TEMPLATE = {
    "userReference": "run9/${sample}",
    "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
    "analysisInput": {
        "inputs": [{"parameterCode": "reads", "dataIds": ["${r1}", "${r2}"]}],
        "parameters": [{"code": "chip", "value": "${chip}"}, {"code": "label", "value": "L-${chip}"}],
    },
}
ANALYSES = {"name": "a", "kind": "ica.analysis_creation", "account": "ica", "project": PROJECT, "engine": "nextflow"}
LINKS = {"name": "a", "kind": "ica.data_linking", "account": "ica", "project": PROJECT}


@pytest.fixture
def report(tmp_path):
    """Mistakes, notes and requests of one job."""

    async def report(job, table=None):
        if table is not None:
            (tmp_path / "t.csv").write_text(table)
            job = job | {"table": "t.csv"}
        (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [job]}) + "\n")
        with await check(tmp_path / "a.json", ACCOUNTS) as found:
            items = [json.loads(item.request) for job in found.jobs for chunk in job.chunks() for item in chunk]
            return list(found.mistakes), list(found.notes), items

    return report


def analyses(rows, template=TEMPLATE):
    """A job and its table."""
    return ANALYSES | {"template": template}, "sample,r1,r2,chip\n" + rows


# ---------------------------------------------------------------- ids


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("fil.1c\u200b", "holds U+200B ZERO WIDTH SPACE behind fil.1c"),
        ("\ufefffil.1c", "holds U+FEFF ZERO WIDTH NO-BREAK SPACE in front of fil.1c"),
        ("\u202afil.1c", "holds U+202A LEFT-TO-RIGHT EMBEDDING in front of fil.1c"),
        ("fil.1\u00adc", "holds U+00AD SOFT HYPHEN behind fil.1"),
        ("fil.1\u0430", "holds U+0430 CYRILLIC SMALL LETTER A behind fil.1"),
        ("fil.1\u3164", "holds U+3164 HANGUL FILLER behind fil.1"),
        ("\u201cfil.1c\u201d", "U+201C LEFT DOUBLE QUOTATION MARK in front of fil.1c, U+201D RIGHT DOUBLE"),
        ("NA", "'NA' stands for a missing value"),
        ("-", "'-' stands for a missing value"),
        ("#REF!", "'#REF!' is an error value of a spreadsheet"),
        ("#N/A", "'#N/A' is an error value of a spreadsheet"),
        ("A_R1.fastq.gz", "'A_R1.fastq.gz' is the name of a file, and its id is needed"),
        ("/data/A_R1.fastq.gz", "is the name of a file"),
        ("run/9", "is a path"),
        ("fil.1;fil.2", "holds several values, and one id is needed"),
        ('"fil.1,fil.2"', "holds several values"),
        ("fil.1 fil.2", "holds several values"),
        ('"[""fil.1"",""fil.2""]"', "is a list in JSON"),
        ("2.04E+11", "is a number that a spreadsheet rounded: digits are lost"),
        ("1-Mar", "is a date, which a spreadsheet may have made of a name"),
        ("TRUE", "is a boolean as a spreadsheet writes it"),
        ("'fil.1'", "stands in quotes"),
        ("0a1b", "must be an id such as fil.0a1b"),
    ],
)
async def test_what_is_no_id_is_refused_with_its_place_and_name(report, cell, says):
    """In a key and in a field of an analysis, with line and column; no message prints what does not show."""
    mistakes, _, _ = await report(LINKS, f"dataId\nfil.0\n{cell}\n")
    (mistake,) = mistakes
    assert (mistake.file, mistake.line, mistake.column) == ("t.csv", 3, "dataId")
    assert says in mistake.message
    assert mistake.remedy or "must be" in mistake.message
    assert invisible_in(str(mistake)) is None
    assert not any(invisible_in(str(text)) for text in as_object(mistake).values())
    (mistake,), _, _ = await report(*analyses(f"A,fil.0,{cell},1\n"))
    assert (mistake.line, mistake.column, says in mistake.message) == (2, "r2", True)
    assert str(mistake).startswith("t.csv, line 2, column r2, analysisInput.inputs[0].dataIds[1]: ")


@pytest.mark.parametrize("code", ["re\u00adads", "r\u0435ads", "reads\u00a0", " reads"])
async def test_codes_are_plain_too(report, code):
    """A code with a letter of another alphabet is no parameter of any pipeline."""
    template = TEMPLATE | {"analysisInput": {"inputs": [{"parameterCode": code, "dataIds": ["${r1}"]}]}}
    (mistake,), _, _ = await report(*analyses("A,fil.0,,1\n", template))
    assert mistake.path[-1] == "parameterCode"


async def test_a_key_says_what_a_spreadsheet_made_of_it(report):
    """The key's own rule refuses it; the message says why it looks like that."""
    (mistake,), _, _ = await report(*analyses("2.04E+11,fil.1,fil.2,1\n"))
    assert (mistake.line, mistake.column) == (2, "sample")
    assert "'2.04E+11' is a number that a spreadsheet rounded" in mistake.message


@pytest.mark.parametrize(("cell", "says"), [("", "is empty inside the longer text"), ("NA", "stands for a missing")])
async def test_a_hole_in_a_key_is_a_mistake(report, cell, says):
    """A paid analysis named `run9/` is nobody's sample."""
    (mistake,), _, _ = await report(*analyses(f"{cell},fil.1,fil.2,1\n"))
    assert (mistake.line, mistake.column, mistake.path) == (2, "sample", ("userReference",))
    assert says in mistake.message


# ---------------------------------------------------------------- notes


async def test_odd_cells_are_noted_and_sent_as_they_are(report):
    """One note for one column, with its lines."""
    rows = "A,fil.1,fil.2,2.04E+11\nB,fil.3,fil.4,2.04E+11\nC,fil.5,fil.6,TRUE\nD,fil.7,fil.8,1-Mar\nE,fil.9,fil.a,\n"
    mistakes, notes, items = await report(*analyses(rows))
    assert mistakes == []
    values = [item["analysisInput"]["parameters"][0]["value"] for item in items]
    assert values == ["2.04E+11", "2.04E+11", "TRUE", "1-Mar", ""]
    assert [note.partition(": ")[0] for note in notes] == [
        "t.csv, lines 2, 3, column chip",
        "t.csv, line 4, column chip",
        "t.csv, line 5, column chip",
        "t.csv, line 6, column chip",
    ]
    assert "'2.04E+11' is a number that a spreadsheet rounded: digits are lost; it is sent as it is" in notes[0]
    assert "'TRUE' is a boolean as a spreadsheet writes it" in notes[1]
    assert "'1-Mar' is a date, which a spreadsheet may have made of a name" in notes[2]
    assert "is empty inside the longer text `L-${chip}`" in notes[3]


async def test_data_that_are_read_twice_are_noted(report):
    """One file as both mates, and one pair in two rows."""
    _, notes, _ = await report(*analyses("A,fil.1,fil.1,x\nB,fil.3,fil.4,x\nC,fil.5,fil.6,x\nD,fil.4,fil.3,x\n"))
    assert notes == ["t.csv, line 2: 'fil.1' names the same data twice", "t.csv, line 5: reads the same data as line 3"]


async def test_columns_that_would_be_sent_as_fields_are_noted(report):
    """Without a template every column is a field."""
    mistakes, notes, items = await report(LINKS, "dataId,sample\nfil.1,A\n")
    assert (mistakes, items) == ([], [{"dataId": "fil.1", "sample": "A"}])
    assert notes == ["t.csv, line 1, column sample: is no known field of ica.data_linking, and is sent as it is"]


async def test_a_good_table_has_no_notes(report):
    """Numbers, accents and ids as they should be are nothing to speak of."""
    assert (await report(*analyses("A,fil.1,fil.2,204000000001\nB,fil.3,fil.4,é\n")))[1] == []


async def test_the_same_wrong_cell_in_many_rows_is_one_mistake(report):
    """At its first line, with the next ones and how many there are; another cell is another mistake."""
    rows = "".join(f"s{n},fil.{n}a,{'NA' if n % 2 else 'x.gz'},1\n" for n in range(40))
    mistakes, _, _ = await report(*analyses(rows))
    assert [(mistake.line, mistake.column) for mistake in mistakes] == [(2, "r2"), (3, "r2")]
    assert mistakes[1].message.endswith("; the same on 19 more lines: 5, 7, 9, 11, 13, ...")
