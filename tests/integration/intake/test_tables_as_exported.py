"""Tables as laboratories really have them: each is understood, or refused with one message that says what it is."""

import codecs
import gzip
import io
import json
import zipfile

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check

ACCOUNTS = {"ica": AccountLimits("ica", 5000)}
PROJECT = "11111111-1111-1111-1111-111111111111"
TEMPLATE = {
    "userReference": "run/${sample}",
    "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
    "analysisInput": {"inputs": [{"parameterCode": "reads", "dataIds": ["${r1}", "${r2}"]}]},
}
ANALYSES = {"name": "a", "kind": "ica.analysis_creation", "account": "ica", "project": PROJECT, "engine": "nextflow"}
LINKS = {"name": "a", "kind": "ica.data_linking", "account": "ica", "project": PROJECT}
PLAIN = "sample,r1,r2\nA,fil.1,fil.2\nB,fil.3,fil.4\n"
MADE = ["run/A fil.1 fil.2", "run/B fil.3 fil.4"]


@pytest.fixture
def checked(tmp_path):
    """Mistakes, notes and items of one job with one table."""

    async def checked(table, job=None, name="t.csv"):
        job = {"template": TEMPLATE, **ANALYSES} if job is None else job
        (tmp_path / name).write_bytes(table if isinstance(table, bytes) else table.encode())
        path = tmp_path / "a.json"
        path.write_text(json.dumps({"version": 1, "jobs": [job | {"table": name}]}) + "\n")
        with await check(path, ACCOUNTS) as report:
            items = [json.loads(item.request) for job in report.jobs for chunk in job.chunks() for item in chunk]
            return list(map(str, report.mistakes)), list(report.notes), items

    return checked


def made(items):
    """Key and data of each analysis, in short."""
    return [" ".join([item["userReference"], *item["analysisInput"]["inputs"][0]["dataIds"]]) for item in items]


# ---------------------------------------------------------------- understood


UNDERSTOOD = {
    "plain": (PLAIN, "t.csv"),
    "two byte order marks": ("\ufeff\ufeff" + PLAIN, "t.csv"),
    "a line for Excel": ("sep=,\n" + PLAIN, "t.csv"),
    "a line for Excel, with semicolons": ("sep=;\r\n" + PLAIN.replace(",", ";"), "t.csv"),
    "a quoted line for Excel, with its own empty cells": ('"sep=,",,\n' + PLAIN, "t.csv"),
    "semicolons": (PLAIN.replace(",", ";"), "t.csv"),
    "tabs under the name of CSV": (PLAIN.replace(",", "\t"), "t.csv"),
    "commas under the name of TSV": (PLAIN, "t.tsv"),
    "CR line ends": (PLAIN.replace("\n", "\r"), "t.csv"),
    "everything quoted": (
        "".join(f'"{line.replace(",", chr(34) + "," + chr(34))}"\r\n' for line in PLAIN.split()),
        "t.csv",
    ),
    "hundreds of empty columns": (PLAIN.replace("\n", "," * 300 + "\n"), "t.csv"),
    "trailing separators in the rows alone": (PLAIN.replace("\nB,fil.3,fil.4", ",\nB,fil.3,fil.4,,"), "t.csv"),
    "empty rows below": (PLAIN + ",,\n,,\n", "t.csv"),
    "row names of R": ("sample\tr1\tr2\n1\tA\tfil.1\tfil.2\n2\tB\tfil.3\tfil.4\n", "t.tsv"),
    "the index of pandas": (",sample,r1,r2\n0,A,fil.1,fil.2\n1,B,fil.3,fil.4\n", "t.csv"),
    "remarks in a column without a name": ("sample,r1,r2,\nA,fil.1,fil.2,again!\nB,fil.3,fil.4,\n", "t.csv"),
}


@pytest.mark.parametrize("case", UNDERSTOOD)
async def test_a_table_with_one_meaning_is_understood(checked, case):
    """Whatever program wrote it: the same items."""
    table, name = UNDERSTOOD[case]
    mistakes, _, items = await checked(table, name=name)
    assert (mistakes, made(items)) == ([], MADE)


@pytest.mark.parametrize(
    ("case", "note"),
    [
        ("semicolons", "t.csv: is separated by semicolons in place of commas, and was read so"),
        ("row names of R", "t.tsv: each row begins with its number, which has no column: left out"),
        ("the index of pandas", "t.csv, lines 2, 3, column number 1: has no name, and is left out"),
        ("remarks in a column without a name", "t.csv, line 2, column number 4: has no name, and is left out"),
    ],
)
async def test_what_was_guessed_is_noted(checked, case, note):
    """So that a wrong guess is seen before anything is paid."""
    table, name = UNDERSTOOD[case]
    assert (await checked(table, name=name))[1] == [note]


# ---------------------------------------------------------------- refused, with one message


def workbook():
    """The beginning of what Excel writes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


def archive():
    """A ZIP archive with something else in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.csv", PLAIN)
    return file.getvalue()


SHEET = "[Header],,\nFileFormatVersion,2,\n,,\n[BCLConvert_Data],,\nLane,Sample_ID,Index\n1,A,ACGT\n2,A,ACGT\n"
REFUSED = {
    "sample sheet": (SHEET, "is an Illumina sample sheet", "below line 4"),
    "workbook": (workbook(), "is an Excel workbook (.xlsx)", "CSV UTF-8"),
    "old workbook": (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, "is an old Excel workbook (.xls)", "CSV UTF-8"),
    "archive": (archive(), "is a ZIP archive or a workbook", "unpack it"),
    "gzip": (gzip.compress(PLAIN.encode()), "is compressed with gzip", "gunzip"),
    "UTF-16": (codecs.BOM_UTF16_LE + PLAIN.encode("utf-16-le"), "is UTF-16", "CSV UTF-8"),
    "Latin-1": ("sample,r1,r2\nÄ,fil.1,fil.2\n".encode("latin-1"), "is not UTF-8", "CSV UTF-8"),
    "web page": ("<!DOCTYPE html>\n<html><body>Log in</body></html>\n", "is a web page", "download the file again"),
    "XML": ('<?xml version="1.0"?>\n<Workbook/>\n', "is XML", "CSV UTF-8"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\n", "is a PDF document", "export the table"),
    "Parquet": (b"PAR1\x15\x04\x15", "is a Parquet file", "to_csv"),
    "spaces below a line for Excel": (
        "sep=:\n" + PLAIN.replace(",", " "),
        "columns that are separated by spaces",
        "separate the cells by `:`",
    ),
    "quoted names below a line for Excel": (
        '"sep=:" \n"sample" "r1" "r2"\n',
        "columns that are separated by spaces",
        "separate the cells by `:`",
    ),
    "lines quoted as a whole": (
        "".join(f'"{line}"\n' for line in PLAIN.split()),
        "stand in quotes as a whole",
        "export",
    ),
    "title above": ("Run 9 of May\n\n" + PLAIN, "names its columns on line 3", "remove the lines above it"),
    "title and cells above": ("Run,9,\nby,me,\n" + PLAIN, "names its columns on line 3", "remove the lines above it"),
    "row names that are texts": (
        "sample,r1,r2\n" + "".join(f"row{n},S{n},fil.{n}a,fil.{n}b\n" for n in range(1500)),
        "has 4 cells, and the line of the column names has 3; the same on 1499 more lines: 3, 4, 5, 6, 7, ...",
        "row.names = FALSE",
    ),
    "numbers that do not go on": (
        "sample,r1,r2\n1,A,fil.1,fil.2\n2,B,fil.3,fil.4\n7,C,fil.5,fil.6\n",
        "has 4 cells, and the line of the column names has 3",
        "R writes row names",
    ),
    "one row with a cell too many": ("sample,r1,r2\n1,fil.1,fil.2,x\n", "has 4 cells", "comma"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_no_table_is_refused_with_one_message(checked, case):
    """It says what the file is, and what to do."""
    table, what, remedy = REFUSED[case]
    mistakes, _, items = await checked(table)
    assert items == []
    assert len(mistakes) == 1, mistakes
    assert mistakes[0].startswith("t.csv")
    assert what in mistakes[0]
    assert remedy in mistakes[0].partition(" - ")[2]


async def test_columns_that_are_missing_are_reported_once_with_what_was_meant(checked):
    """Case, spaces and a letter make a suggestion; a column that prints alike is told apart."""
    mistakes, _, _ = await checked("Sample,R1\u200b,r_2\nA,fil.1,fil.2\n")
    assert [mistake.partition(" - ")[2].partition(" its")[0] for mistake in mistakes] == [
        "did you mean `Sample`, `R1\\u200b`, `r_2`? (`R1\\u200b` holds U+200B ZERO WIDTH SPACE behind R1)"
    ]


@pytest.mark.parametrize("name", ["Sample", "SAMPLE", "#sample", "# Sample"])
async def test_a_column_that_is_nearly_there_is_named(checked, name):
    """Beside others that are there: the line of the column names is no second line of them."""
    (mistake,), _, _ = await checked(f"{name},r1,r2\nA,fil.1,fil.2\n")
    assert mistake == (
        "t.csv, line 1: has no column for ${sample}, which is in jobs[0].template.userReference (line 1)"
        f" - did you mean `{name}`? its columns are {name}, r1, r2"
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [('B,5" tube,"fil".4\n', "text behind its closing quote"), ("B,fil.3,\rfil.4\n", "end in a carriage return")],
)
async def test_missing_columns_are_reported_beside_what_cannot_be_read(checked, line, says):
    """Columns are looked for on the lines near the top, as far as these can be read."""
    mistakes, _, _ = await checked("Proben,r1,r2\nA,fil.1,fil.2\nA,fil.1,fil.2\n" + line)
    assert len(mistakes) == 2
    assert any("${sample}" in mistake for mistake in mistakes)
    assert any(says in mistake for mistake in mistakes)


async def test_a_result_of_ours_is_recognised(checked):
    """Refused where its columns would be sent as fields; with a template its guard quotes are taken off again."""
    columns = "key,batch,stage,state,status,remote_id,detail,attempts,previous_ids,submitted_at,finished_at,table.key"
    table = f"{columns}\r\nfil.1,1,link,succeeded,LINKED,fil.1,,1,,,,'=1+1\r\n"
    mistakes, _, _ = await checked(table, LINKS)
    assert len(mistakes) == 1
    assert "is a result table of this program" in mistakes[0]
    assert "`${key}`" in mistakes[0]
    template = {"dataId": "${remote_id}", "note": "${table.key}"}
    mistakes, notes, items = await checked(table, LINKS | {"template": template})
    assert (mistakes, items) == ([], [{"dataId": "fil.1", "note": "=1+1"}])
    assert notes == ["t.csv: is a result table of this program, read with its own columns"]
