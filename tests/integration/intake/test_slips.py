"""Slips of users: one message for one cause, at the place of the cause, with the next step."""

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check

ACCOUNTS = {"ica": AccountLimits("ica", 5000), "sb": AccountLimits("sevenbridges", 5000)}
PROJECT = "11111111-1111-1111-1111-111111111111"
LINK = f"version: 1\njobs:\n  - name: a\n    kind: ica.data_linking\n    account: ica\n    project: {PROJECT}\n"
ITEMS = LINK + "    items: [{dataId: fil.1}]\n"
HEAD = LINK.replace("data_linking", "analysis_creation") + "    engine: nextflow\n    template:\n"
PIPELINE = "      pipelineId: f606f580-d476-47a8-9679-9ddb39fcb0a8\n"
READS = '      analysisInput: {inputs: [{parameterCode: reads, dataIds: ["${r1}", "${r2}"]}]}\n    table: t.csv\n'
ANALYSES = HEAD + "      userReference: run/${sample}\n" + PIPELINE + READS
ROWS = "sample,r1,r2\nA,fil.1,fil.2\nB,fil.3,fil.4\n"


@pytest.fixture
def said(tmp_path):
    """The messages on a queue file beside a table."""

    async def said(document, table="", name="t.csv"):
        (tmp_path / name).write_bytes(table if isinstance(table, bytes) else table.encode())
        path = tmp_path / "a.yaml"
        path.write_bytes(document if isinstance(document, bytes) else document.encode())
        with await check(path, ACCOUNTS) as report:
            return [str(mistake) for mistake in report.mistakes], list(report.notes)

    return said


TABLES = {
    "names in another case": (
        "Sample,R1,R2\nA,fil.1,fil.2\n",
        (
            "t.csv, line 1: has no column for ${sample}, ${r1} and ${r2}; the first of them is in "
            "jobs[0].template.userReference (line 9) - did you mean `Sample`, `R1`, `R2`? its columns are Sample"
        ),
    ),
    "rows and columns exchanged": (
        "sample,A,B\nr1,fil.1,fil.3\nr2,fil.2,fil.4\n",
        "t.csv, line 1: names its columns in the first cell of each line: rows and columns are exchanged - ",
    ),
    "row names of R that are the samples": (
        '"","r1","r2"\n"A","fil.1","fil.2"\n',
        "t.csv, line 1: has no column for ${sample}, and its first column has no name - ",
    ),
    "quoted names separated by spaces": (
        '"sample" "r1" "r2"\n"1" "A" "fil.1" "fil.2"\n',
        "t.csv, line 1: has columns that are separated by spaces - separate the cells by commas",
    ),
    "a comment above names that are a comment": (
        "# exported today\n#sample,r1,r2\nA,fil.1,fil.2\n",
        "t.csv, line 1: names its columns on line 2 - remove the lines above it",
    ),
    "two tables side by side": (
        "sample,r1,r2,,sample,r1,r2\nA,fil.1,fil.2,,B,fil.3,fil.4\n",
        "t.csv, line 1: columns 1 and 5 are named 'sample', 2 and 6 are named 'r1', 3 and 7 are named 'r2' - rename ",
    ),
    "names of columns alone": ("sample,r1,r2\n", "t.csv, line 1: has the names of its columns, and no rows - "),
    "a total": (ROWS + "Total,2,2\n", "t.csv, line 4: begins with 'Total': is it the total of the rows above? - "),
    "no end of the last line": (ROWS[:-1], "t.csv, line 3: does not end in a newline: it may have been cut - if the "),
    "cells that are missing, one or two": (
        ROWS + "C,fil.5\nD\n",
        "t.csv, line 4: has 2 cells, and the line of the column names has 3; the same on line 5 - empty cells at ",
    ),
    "cells too many, in different numbers": (
        ROWS + "C,fil.5,fil.6,x,y\nD,fil.7,fil.8,x,y,z\n",
        "t.csv, line 4: has 5 cells, and the line of the column names has 3; the same on line 5 - put a cell that ",
    ),
    "the same sample in many rows": (
        "sample,r1,r2\n" + "".join(f"S{n // 4},fil.{n}a,fil.{n}b\n" for n in range(80)),
        (
            "t.csv, line 3, userReference: has the same userReference as line 2; 59 more repeat an earlier one: "
            "line 4, line 5, line 7, line 8, line 9, ... - each may stand once"
        ),
    ),
    "a character of its own in each row": (
        "sample,r1,r2\n" + "".join(f"S{n},fil.{n}a,\u201cfil.{n}b\u201d\n" for n in range(80)),
        (
            "t.csv, line 2, column r2, analysisInput.inputs[0].dataIds[1]: '\\u201cfil.0b\\u201d' holds U+201C LEFT "
            "DOUBLE QUOTATION MARK in front of fil.0b, U+201D RIGHT DOUBLE QUOTATION MARK behind fil.0b; "
            "the same on 79 more lines: 3, 4, 5, 6, 7, ... - type it again"
        ),
    ),
    "whole numbers that pandas made decimals": (
        "sample,r1,r2\n1001.0,fil.1,fil.2\n1002.0,fil.3,fil.4\n",
        (
            "t.csv, line 2, column sample, userReference: 'run/1001.0' may have nothing but A-Z a-z 0-9, spaces, `_`, "
            "`-`, and `/` between parts: no dots, no accents; '1001.0' is a whole number that became a decimal, as "
            "pandas writes it where a cell of the column is empty; the same on line 3 - read the column as text"
        ),
    ),
}


@pytest.mark.parametrize("case", TABLES)
async def test_a_table_has_one_message_for_one_cause(said, case):
    """The table's place comes first, the template's last; the same thing in many rows is said once."""
    table, message = TABLES[case]
    mistakes, _ = await said(ANALYSES, table)
    assert len(mistakes) == 1, mistakes
    assert mistakes[0].startswith(message), mistakes[0]


CELLS = {
    '=HYPERLINK("https://a/fil.01a")': ("is a formula, and not its value", "did you mean `fil.01a`?"),
    "https://ica.illumina.com/data/fil.02a": ("is a path", "did you mean `fil.02a`?"),
    "urn:ilmn:ica:region:1f:data:fil.03a#/x.bam": ("is the name of a file", "did you mean `fil.03a`?"),
    "Fil.04a": ("must be an id", "did you mean `fil.04a`?"),
    "fil_05a": ("must be an id", "did you mean `fil.05a`?"),
    "fil 06a": ("has spaces, which no id has", "did you mean `fil.06a`?"),
    "fil.07a fil.08a": ("holds several values", "use a column for each id"),
    "sample seven": ("has spaces, which no id has", "enter the id, not the name"),
    "['fil.1', 'fil.2']": (
        "is a list in Python",
        "use a column for each id, or separate them by `;` (A;B)",
    ),
    "Loading...": ("is an error value of a spreadsheet", "correct the formula"),
    "S01": ("must be an id", "correct the cell; the template writes it into `${r2}`"),
}


@pytest.mark.parametrize("cell", CELLS)
async def test_a_cell_that_is_no_id_says_what_it_is_and_what_was_meant(said, cell):
    """Where an id stands in it, that id."""
    what, remedy = CELLS[cell]
    quoted = cell.replace('"', '""')
    mistakes, _ = await said(ANALYSES, f'sample,r1,r2\nA,fil.1,"{quoted}"\n')
    assert len(mistakes) == 1
    assert what in mistakes[0]
    assert mistakes[0].partition(" - ")[2].startswith(remedy), mistakes[0]


async def test_semicolons_between_quoted_cells_are_understood(said):
    """`write.csv2` of R quotes every cell, and the first one is empty."""
    document = ANALYSES.replace("template:\n", 'template:\n      n: "${n:float}"\n')
    mistakes, notes = await said(document, '"";"sample";"r1";"r2";"n"\n"1";"A";"fil.1";"fil.2";1.5\n')
    assert mistakes == []
    assert any("is separated by semicolons in place of commas" in note for note in notes)
    mistakes, _ = await said(document, '"";"sample";"r1";"r2";"n"\n"1";"A";"fil.1";"fil.2";1,5\n')
    assert len(mistakes) == 1
    assert mistakes[0].startswith(
        "t.csv, line 2, column n: '1,5' is no number - digits with a `.` for decimals: no unit"
    )


LINES = {
    '[\n  {"sample": "A"},\n  {"sample": "B"}\n]\n': "line 1: is JSON over several lines, not JSON lines - write one ",
    '[{"sample": "A"}]\n': "line 1: is a list of rows in JSON, not JSON lines - write one object a line",
    '{"sample": "A", "r1": "fil.1", "r2": NaN}\n': "line 1: holds NaN under 'r2', which is no JSON - write null",
    "{'sample': 'A'}\n": "line 1: is not JSON: it has single quotes at column 2 - JSON has double quotes",
    '{"sample": "A\n': "line 1: is not JSON: a quote or bracket is never closed - was the line",
    '{"sample": "A"} {}\n': "line 1: is not JSON: something stands behind the object at column 17",
    '{"sample" "A"}\n': "line 1: is not JSON: it cannot be read at column 11",
}


@pytest.mark.parametrize("lines", LINES)
async def test_json_lines_are_refused_in_plain_words(said, lines):
    """One message, without the terms of Python's reader, although the columns cannot be known then."""
    mistakes, _ = await said(ANALYSES.replace("t.csv", "t.jsonl"), lines, "t.jsonl")
    assert len(mistakes) == 1, mistakes
    assert mistakes[0].startswith("t.jsonl, " + LINES[lines]), mistakes[0]


TEMPLATES = {
    'dataIds: ["${r1}", "${r2}"]': None,
    'dataIds: "${r1}"': 'must be a list, and `${r1}` is a text, for 2 rows of t.csv - write `["${r1}"]`, or `${r1[]}`',
    'dataIds: ["{{r1}}", "${r2}"]': "a column is written `${...}`: did you mean `${r1}`?",
    'dataIds: ["$r1", "${r2}"]': "a column is written `${...}`: did you mean `${r1}`?",
    'dataIds: ["${r1:string}", "${r2:integer}"]': "write `${r2:int}`, for the types are int, float and bool",
}


@pytest.mark.parametrize("ids", TEMPLATES)
async def test_what_the_template_does_is_reported_at_the_template(said, ids):
    """Not at the cell, which is right; with what to write."""
    mistakes, _ = await said(ANALYSES.replace('dataIds: ["${r1}", "${r2}"]', ids), ROWS)
    assert len(mistakes) == (TEMPLATES[ids] is not None), mistakes
    assert all(TEMPLATES[ids] in mistake and "template.analysisInput" in mistake for mistake in mistakes), mistakes


async def test_a_type_where_a_text_belongs_is_reported_at_the_template(said):
    """The cell is right: the placeholder is typed."""
    document = ANALYSES.replace("template:\n", 'template:\n      tags: {userTags: ["${n:int}"]}\n')
    mistakes, _ = await said(document, "sample,r1,r2,n\nA,fil.1,fil.2,30\nB,fil.3,fil.4,31\n")
    assert [mistake.partition("template.")[2] for mistake in mistakes] == [
        "tags.userTags[0]: must be text, and `${n:int}` is none, for 2 rows of t.csv - write `${n}`, without a type"
    ]


async def test_a_text_that_became_a_comment_is_explained(said):
    """YAML reads `#...` behind a space as a comment, and the value is empty."""
    mistakes, _ = await said(ANALYSES.replace("run/${sample}", "#${sample}"), ROWS)
    assert [mistake.partition(" - ")[2] for mistake in mistakes] == [
        "enter the value; a text that begins with `#` needs quotes, for it is a comment"
    ]


DOCUMENTS = {
    ITEMS.partition("jobs:")[0] + ITEMS.replace("  - name", "name").partition("jobs:\n")[2].replace("\n    ", "\n"): (
        "the file: is a job, and not a list of jobs - begin with `version: 1` and `jobs:`",
    ),
    ITEMS.replace("name: a", "Name: a"): ("line 3, jobs[0].Name: `Name` is not a key that belongs here - did",),
    ITEMS.replace("items:", "item:"): ("line 7, jobs[0].item: `item` is not a key that belongs here - did",),
    ITEMS.replace("name: a", "name: Run 12 (rerun)"): ("line 3, jobs[0].name: 'Run 12 (rerun)' is no job name",),
    ITEMS.replace("ica.data_linking", "ica.data_link"): ("line 4, jobs[0].kind: 'ica.data_link' is no kind of work",),
    ITEMS.replace("account: ica", "account: sb"): (
        "line 5, jobs[0].account: 'sb' is an account on sevenbridges, and ica.data_linking is done on ica - take ica",
    ),
    ITEMS + "    stop_after: {failures: 3}\n": (
        "line 8, jobs[0].stop_after.failures: `failures` is not a key that belongs here - known are `failed`",
    ),
    ITEMS + "    labels: [run12]\n": ("line 8, jobs[0].labels: must be an object (keys and values), and is a list",),
    ITEMS + "    labels: {my key: x}\n": ("line 8, jobs[0].labels.my key: 'my key' is no label",),
    ITEMS + "    notify: https://x.org/h\n": ("line 8, jobs[0].notify: must be an object (keys and values)",),
    ITEMS.replace("name: a", "<<: {kind: ica.data_linking}\n    name: a").replace("    kind: ica.data_linking\n", ""): (
        "line 3: merge keys (`<<`) are refused",
    ),
    LINK + "    items:\n" + "".join(f"      - {{dataID: fil.{n}}}\n" for n in range(200)): (
        (
            "line 8, jobs[0].items[0].dataId: `dataId` is missing; the same in 199 more: items[1], items[2], items[3], "
            "items[4], items[5], ... - write `dataId:` in place of `dataID:`"
        ),
    ),
    LINK + "    items:\n      - {dataId: fil.1}\n" + "      - {dataId: fil.1}\n" * 3: (
        (
            "line 9, jobs[0].items[1].dataId: has the same dataId as jobs[0].items[0]; 2 more repeat an earlier one: "
            "items[2], items[3] - each may stand once"
        ),
    ),
    ITEMS.replace("name: a", "name: 12e3"): (
        "line 3, jobs[0].name: must be text, and is the number 1.2E+4 - write it in quotes, with the characters that",
    ),
    ITEMS.replace("name: a", "name: 1.10"): (
        'line 3, jobs[0].name: must be text, and is the number 1.10 - write it in quotes: "1.10"',
    ),
    LINK + "    table: my samples.csv\n": ("line 7, jobs[0].table: 'my samples.csv' is no table",),
    LINK + "    table: samples.xlsx\n": ("line 7, jobs[0].table: 'samples.xlsx' is no table",),
    LINK + "    table: [a.csv, b.csv]\n": ("line 7, jobs[0].table: must be text, and is a list - a job has one table",),
    LINK + "    table: job: link\n": ("line 7: is not YAML: a `:` stands where no key can be at column 15",),
    ITEMS.replace("[{dataId: fil.1}]", "[{dataId: \u201cfil.1\u201d]"): ("line 7: is not YAML: U+201C LEFT DOUBLE",),
    "PK\x03\x04....[Content_Types].xml....word/document.xml": ("the file: is a Word document (.docx) under another ",),
}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: DOCUMENTS[document][0][:40])
async def test_a_slip_in_a_job_has_one_message_with_the_next_step(said, document):
    """A key that is misspelt is not missing as well; what a refused construct would bring is not missing either."""
    mistakes, _ = await said(document)
    assert len(mistakes) == len(DOCUMENTS[document]), mistakes
    assert all(map(str.startswith, mistakes, DOCUMENTS[document])), mistakes
    assert all(" - " in mistake for mistake in mistakes)


CONTROLS = {
    "cancel: [a, b]": "write a control for each of them: `- cancel: a`",
    "retry: {job: a, state: failed}": "write the keys beside each other: `- {retry: JOB, state: failed}`",
    "give_up: a": "did you mean `give-up`?",
    "stop: a": "known are `cancel`, `retry`, `pause`, `resume`, `adopt`, `give-up`",
    "resume: {accounts: ica}": "did you mean `account`?",
    "adopt: {job: a, batch: 1, remote: x}": "did you mean `remote_id`?",
}


@pytest.mark.parametrize("control", CONTROLS)
async def test_a_slip_in_a_control_has_one_message_with_the_next_step(said, control):
    """What was probably meant, once."""
    mistakes, _ = await said(f"version: 1\ncontrols:\n  - {control}\n")
    assert [mistake.partition(" - ")[2] for mistake in mistakes] == [CONTROLS[control]]


async def test_states_of_rows_are_suggested(said):
    """In the spelling of the platform, or as one text."""
    job = ITEMS + LINK.partition("jobs:\n")[2].replace("name: a", "name: b") + "    template: {dataId: '${key}'}\n"
    mistakes, _ = await said(job + "    table: {job: a, states: [SUCCEEDED]}\n")
    assert [mistake.partition(" - ")[2] for mistake in mistakes] == ["did you mean `succeeded`?"]
    mistakes, _ = await said(job + "    table: {job: a, states: partial}\n")
    assert [mistake.partition(" - ")[2] for mistake in mistakes] == ["write `states: [partial]`"]


async def test_a_retry_that_can_never_act_is_noted(said):
    """Platforms write statuses in capitals; the policy compares them as they are."""
    for statuses, odd in (("[FAILED]", 0), ("[failed, FAILED]", 1)):
        mistakes, notes = await said(ITEMS + f"    retry: {{attempts: 2, on: {statuses}}}\n")
        assert mistakes == []
        assert sum("did you mean FAILED?" in note for note in notes) == odd
