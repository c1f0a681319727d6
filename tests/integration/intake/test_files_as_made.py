"""Broken queue files and tables as a lab makes them: one message for each cause, which is enough to correct it."""

from dataclasses import dataclass, field

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check

ACCOUNTS = {"ica": AccountLimits("ica", 5000)}
PROJECT = "11111111-1111-1111-1111-111111111111"
ANALYSES = f"""\
version: 1
jobs:
  - name: run-0172
    kind: ica.analysis_creation
    account: ica
    project: {PROJECT}
    engine: nextflow
    template:
      userReference: run-0172/${{Sample}}
      pipelineId: f606f580-d476-47a8-9679-9ddb39fcb0a8
      analysisInput: {{inputs: [{{parameterCode: fastqs, dataIds: ["${{R1}}", "${{R2}}"]}}]}}
    table: t.csv
"""
LINKS = f"""\
version: 1
jobs:
  - name: link
    kind: ica.data_linking
    account: ica
    project: {PROJECT}
    items:
      - dataId: fil.1
"""
ROWS = "S1,fil.1a,fil.1b\nS2,fil.2a,fil.2b\n"
TABLE = "Sample,R1,R2\n" + ROWS
LEGACY = "cp1252"


@dataclass(frozen=True)
class Made:
    """A file, what `validate` says of it, and what a reader of that changes."""

    says: tuple[str, ...]
    """The beginning of each message."""
    table: str = TABLE
    queue_file: str = ANALYSES
    encoding: str = "utf-8"
    corrected: dict[str, str] = field(default_factory=dict)
    """`table`, `queue_file` or `encoding` as they are then."""


NAMES_GONE = ANALYSES.replace("${Sample}", "${sample_id}")
FILES = {
    "a_sample_sheet": Made(
        ("t.csv, line 1: is an Illumina sample sheet",),
        "[Header],,,\nFileFormatVersion,2,,\n,,,\n[BCLConvert_Data],,,\nLane,Sample_ID,index,index2\n1,S1,ACGT,TGCA\n",
        corrected={"table": TABLE},
    ),
    "titles_above_the_names": Made(
        ("t.csv, line 1: names its columns on line 4 - remove the lines above it",),
        "Cohort 7,,\nexported 2026-01-31,,\n,,\n" + TABLE,
        corrected={"table": TABLE},
    ),
    "utf_16": Made(("t.csv: is UTF-16",), TABLE.replace(",", "\t"), encoding="utf-16", corrected={"encoding": "utf-8"}),
    "windows_1252": Made(
        ("t.csv, line 2: byte 0xFC at column 2 is not UTF-8 - save the file as UTF-8",),
        TABLE.replace("R2\n", "R2\nM\u00fcller,fil.9a,fil.9b\n", 1),
        encoding=LEGACY,
        corrected={"table": TABLE.replace("R2\n", "R2\nMueller,fil.9a,fil.9b\n", 1), "encoding": "utf-8"},
    ),
    "merged_header_cells": Made(
        ("t.csv, line 1: names some of its columns (R1, R2) on line 2",),
        "Sample,Reads,\n,R1,R2\n" + ROWS,
        corrected={"table": TABLE},
    ),
    "a_total": Made(
        ("t.csv, line 4: has one cell alone, 'Total: 2'",), TABLE + "Total: 2,,\n", corrected={"table": TABLE}
    ),
    "a_comment": Made(
        ("t.csv, line 4: is a comment",), TABLE + "# from the LIMS, 2 rows\n", corrected={"table": TABLE}
    ),
    "row_names_of_r": Made((), '"","Sample","R1","R2"\n"1","S1","fil.1","fil.2"\n"2","S2","fil.3","fil.4"\n'),
    "index_of_pandas": Made((), "Unnamed: 0,Sample,R1,R2\n0,S1,fil.1,fil.2\n"),
    "semicolons_and_decimal_commas": Made((), "Sample;R1;R2;Conc\nS1;fil.1;fil.2;1,5\n"),
    "a_copy_from_google_sheets": Made((), TABLE.replace(",", "\t")),
    "an_open_quote": Made(
        ("t.csv, line 3: is not CSV: a quote is never closed",),
        TABLE.replace("S2", '"S2'),
        corrected={"table": TABLE},
    ),
    "two_tables": Made(
        ("t.csv, line 5: stands below an empty line, and has not the 3 cells",),
        TABLE + "\nControl,Lot\nNA12878,L7\n",
        corrected={"table": TABLE},
    ),
    "two_exports": Made(
        ("t.csv, line 4: repeats the names of the columns - remove the line",),
        TABLE + "Sample,R1,R2\nS3,fil.3a,fil.3b\n",
        corrected={"table": TABLE + "S3,fil.3a,fil.3b\n"},
    ),
    "dates_for_names": Made((), TABLE.replace("S1", "1-Mar")),
    "numbers_for_names": Made(
        ("t.csv, line 2, column Sample, userReference: 'run-0172/1E+05' may have nothing but",),
        TABLE.replace("S1", "1E+05").replace("S2", "1E+05"),
        corrected={"table": TABLE},
    ),
    "a_markdown_table": Made(
        ("t.csv, line 2: is a line of dashes, as in a Markdown table",),
        "| Sample | R1 | R2 |\n|---|---|---|\n| S1 | fil.1 | fil.2 |\n",
        corrected={"table": "| Sample | R1 | R2 |\n| S1 | fil.1 | fil.2 |\n"},
    ),
    "columns_of_spaces": Made(
        ("t.csv, line 1: has columns that are separated by spaces - separate the cells by commas",),
        "Sample  R1      R2\nS1      fil.1a  fil.1b\n",
        corrected={"table": TABLE},
    ),
    "names_of_files": Made(
        ("t.csv, line 2, column R1, analysisInput.inputs[0].dataIds[0]: 'A1.fastq.gz' is the name of a file",),
        "Sample,R1,R2\nS1,A1.fastq.gz,fil.1b\nS2,A2.fastq.gz,fil.2b\n",
        corrected={"table": TABLE},
    ),
    "a_mate_is_missing": Made(
        ("t.csv, line 3, column R2, analysisInput.inputs[0].dataIds[1]: is empty - enter the value, or write",),
        TABLE.replace("fil.2b", ""),
        corrected={"queue_file": ANALYSES.replace("${R2}", "${?R2}")},
    ),
    "lanes": Made(
        ("t.csv, line 4, userReference: has the same userReference as line 2 - each may stand once",),
        TABLE + "S1,fil.3a,fil.3b\n",
        corrected={
            "queue_file": ANALYSES.replace("${R1}", "${R1[]}").replace("${R2}", "${R2[]}") + "    group_by: Sample\n"
        },
    ),
    "a_tab_in_yaml": Made(
        ("line 3: is not YAML: a tab indents the line - indent with spaces",),
        queue_file=LINKS.replace("  - name", "\t- name"),
        corrected={"queue_file": LINKS},
    ),
    "no_space_behind_a_colon": Made(
        ("line 3: is not YAML: `name:` has no space behind it - write `name: link`",),
        queue_file=LINKS.replace("name: ", "name:"),
        corrected={"queue_file": LINKS},
    ),
    "curly_quotes": Made(
        ("line 3, jobs[0].name: '\\u201clink\\u201d' holds U+201C LEFT DOUBLE QUOTATION MARK",),
        queue_file=LINKS.replace("link\n", "\u201clink\u201d\n", 1),
        corrected={"queue_file": LINKS},
    ),
    "a_project_of_another_kind": Made(
        ("line 6, jobs[0].project: 'urn:ilmn:ica:project:7' is no UUID",),
        queue_file=LINKS.replace(PROJECT, "urn:ilmn:ica:project:7"),
        corrected={"queue_file": LINKS},
    ),
    "kinds_and_names_misspelt": Made(
        (
            "line 4, jobs[0].kind: 'ica.data-linking' is no kind of work - did you mean `ica.data_linking`?",
            "line 5, jobs[0].account: 'ICA' is no account of the configuration - did you mean `ica`?",
        ),
        queue_file=LINKS.replace("data_linking", "data-linking").replace("account: ica", "account: ICA"),
        corrected={"queue_file": LINKS},
    ),
    "controls_of_what_is_not_there": Made(
        (
            "line 3, controls[0].pause: '*' is no job name",
            "line 4, controls[1]: 'ICA' is no account of the configuration - did you mean `ica`?",
            "line 5, controls[2].pause: '' is no job name",
        ),
        queue_file="version: 1\ncontrols:\n  - pause: '*'\n  - resume: {account: ICA}\n  - pause:\n",
        corrected={"queue_file": "version: 1\ncontrols:\n  - pause: {all: true}\n  - resume: {account: ica}\n"},
    ),
    "an_engine_misspelt_and_more": Made(
        (
            "line 7, jobs[0].engine: `engine` 'nextflo' is none of this kind - did you mean `nextflow`?",
            "line 10, jobs[0].template.pipelineId: 'hello' is no UUID",
            "t.csv, line 2, column R1, analysisInput.inputs[0].dataIds[0]: 'A_R1.fastq.gz' is the name of a file",
        ),
        "Sample,R1,R2\nS1,A_R1.fastq.gz,fil.1b\n",
        queue_file=ANALYSES.replace("engine: nextflow", "engine: nextflo").replace(
            "f606f580-d476-47a8-9679-9ddb39fcb0a8", "hello"
        ),
        corrected={"queue_file": ANALYSES, "table": TABLE},
    ),
    "a_kind_misspelt_and_more": Made(
        (
            "line 4, jobs[0].kind: 'ica.data-linking' is no kind of work - did you mean `ica.data_linking`?",
            "line 8, jobs[0].items[0].dataId: 'NA' stands for a missing value",
        ),
        queue_file=LINKS.replace("data_linking", "data-linking").replace("fil.1", "NA"),
        corrected={"queue_file": LINKS},
    ),
    "ids_without_their_key": Made(
        ("line 8, jobs[0].items[0]: must be an object (keys and values), for 1 item - write `- {dataId: fil.1}`",),
        queue_file=LINKS.replace("- dataId: fil.1", "- fil.1"),
        corrected={"queue_file": LINKS},
    ),
    "items_and_a_table": Made(
        ("line 3, jobs[0]: has both `items` and `table`",),
        queue_file=ANALYSES + "    items: []\n",
        corrected={"queue_file": ANALYSES},
    ),
    "a_placeholder_without_a_column": Made(
        ("t.csv, line 1: has no column for ${sample_id}, which is in jobs[0].template.userReference (line 9) - did",),
        queue_file=NAMES_GONE,
        corrected={"queue_file": ANALYSES},
    ),
    "python_for_json": Made(
        ("line 1: is not JSON: ",),
        queue_file="{'version': 1}\n",
        corrected={"queue_file": '{"version": 1, "jobs": []}'},
    ),
}


async def said(folder, made):
    """The messages of `validate`."""
    name = "a.json" if made.queue_file.startswith("{") else "a.yaml"
    (folder / name).write_text(made.queue_file)
    (folder / "t.csv").write_bytes(made.table.encode(made.encoding))
    with await check(folder / name, ACCOUNTS) as report:
        return [str(mistake) for mistake in report.mistakes]


@pytest.mark.parametrize("made", FILES.values(), ids=FILES)
async def test_each_cause_has_one_message_that_is_enough(tmp_path, made):
    """Where only one meaning is possible, there is none."""
    messages = await said(tmp_path, made)
    assert [message[: len(says)] for message, says in zip(messages, made.says, strict=True)] == list(made.says)


@pytest.mark.parametrize("made", [made for made in FILES.values() if made.says], ids=lambda made: made.says[0][:40])
async def test_the_file_is_valid_once_the_message_was_followed(tmp_path, made):
    """What a reader of the message alone has changed."""
    fields = {"table": made.table, "queue_file": made.queue_file, "encoding": made.encoding} | made.corrected
    messages = await said(tmp_path, Made((), **fields))
    assert messages in ([], ["the file: asks for nothing - add `jobs:` or `controls:`"])
