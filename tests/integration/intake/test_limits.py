"""Files made to use up memory or time: each is a mistake of its own, found within a bounded amount of both."""

import json
import subprocess
import sys

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.directory.open_file import open_source
from orchestrator.intake.validation.check import check_source
from orchestrator.intake.validation_context import ValidationContext

PIPELINE = "f606f580-d476-47a8-9679-9ddb39fcb0a8"
MIB = 1024 * 1024
HEAD = '{"version": 1, "jobs": [{"name": "a", "kind": "ica.analysis_creation", "account": "ica", "engine": "nextflow", '
HEAD += '"project": "11111111-1111-1111-1111-111111111111", '

CHECK = """
import resource, sys, anyio, json
from pathlib import Path
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]), int(sys.argv[2])))
async def main():
    path, accounts = Path(sys.argv[1]), {"ica": AccountLimits("ica", 5000)}
    with await check(path, accounts, scratch=path.parent) as report:
        print(json.dumps([report.mistakes.total, str(next(iter(report.mistakes)))]))
anyio.run(main)
"""


def _root_keys(file):
    file.write("{" + ",".join(f'"k{number}":1' for number in range(510_000)) + "}")


def _nested(file):
    file.write(HEAD + '"items": [{"userReference": "a", "x": [' + "[]," * 400_000 + "1]}]}]}")


def _no_objects(file):
    file.write(HEAD + '"items": [' + "[]," * 100_000 + "1]}]}")


def _wrong_items(file):
    file.write(HEAD + '"items": [' + ",".join(f'{{"userReference": {number}}}' for number in range(20_000)) + "]}]}")


def _placeholders(file):
    template = {"userReference": "${b}" * 100_000}
    file.write(HEAD + f'"template": {json.dumps(template)}, "table": "t.csv"}}]}}')


def _large_constant(file):
    template = json.dumps(
        {"pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8", "analysisInput": {"inputs": []}, "note": "x" * 1_500_000}
    )
    items = ",".join(f'{{"userReference": "s{number}"}}' for number in range(3000))
    file.write(HEAD + f'"template": {template}, "items": [{items}]}}]}}')


def _of_wrong_ids(count):
    inputs = [{"parameterCode": "fastqs", "dataIds": ["${b}"] * count}]
    template = {"userReference": "s-${b}", "pipelineId": PIPELINE, "analysisInput": {"inputs": inputs}}
    return f'"template": {json.dumps(template)}, "table": "t.csv"}}]}}\n'


def _wrong_values(file):
    file.write(HEAD + _of_wrong_ids(2000))


def _jobs_of_one_table(file):
    job = json.loads(HEAD + '"table": "t.csv"}]}')["jobs"][0]
    job["template"] = {"userReference": "${b}", "pipelineId": PIPELINE, "analysisInput": {"inputs": []}}
    job["template"]["note"] = "x" * 50_000
    json.dump({"version": 1, "jobs": [{**job, "name": f"j{number}"} for number in range(30)]}, file)
    file.write("\n")


CASES = {
    "510,000 keys of the document": (_root_keys, "larger than one value may be"),
    "400,000 lists in one item": (_nested, "larger than one value may be"),
    "100,000 items that are no objects": (_no_objects, "more than 10000 items that are no objects"),
    "20,000 wrong items": (_wrong_items, "must be text"),
    "100,000 placeholders": (_placeholders, "more than 10000 placeholders"),
    "a large constant under many items": (_large_constant, "in all"),
    "2,000 wrong values in each of 1,000 rows": (_wrong_values, "more than 200000 mistakes"),
    "30 jobs of one table": (_jobs_of_one_table, "in all"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_decided_within_bounded_memory(tmp_path, case):
    """The check of each ends with a mistake that names the bound, in a process that may not grow beyond 256 MiB."""
    write, expected = CASES[case]
    (tmp_path / "t.csv").write_text("b\n" + "".join(f"x{number}\n" for number in range(1000)))
    path = tmp_path / "a.json"
    with path.open("w") as file:
        write(file)
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(path), str(256 * MIB)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    total, first = json.loads(done.stdout)
    assert total <= 10_010
    assert expected in first


@pytest.fixture
def slices(tmp_path):
    """Checks a job with a table; returns how often others might work meanwhile."""

    def count(job, table, rows):
        (tmp_path / table).write_text(rows)
        (tmp_path / "a.json").write_text(HEAD + job)
        sources = {name: open_source(tmp_path / name) for name in ("a.json", table)}
        terms = ValidationContext({"ica": AccountLimits("ica", 5000)}, tmp_path)

        def checked():
            report = yield from check_source(sources["a.json"], sources.get, terms)
            assert report.mistakes
            report.close()

        found = sum(1 for _ in checked())
        for source in sources.values():
            source.close()
        return found

    return count


def test_an_item_of_many_mistakes_is_a_slice_of_its_own(slices):
    """What takes long lets others work, however few items it is."""
    assert slices(_of_wrong_ids(600), "t.csv", "b\n" + "".join(f"{number}\n" for number in range(40))) >= 40


def _of_table(template, table="t.csv", more=""):
    return f'"template": {json.dumps(template)}, "table": "{table}"{more}}}]}}\n'


@pytest.mark.parametrize(
    ("job", "table", "rows"),
    [
        (_of_table({"userReference": "${absent}"}), "t.csv", ["b", "x"]),
        (_of_table({"userReference": "${b}"}), "t.csv", ["b", "x,1"]),
        (_of_table({"userReference": "${b}", "n": "${b:int}"}), "t.csv", ["b", "x"]),
        (_of_table({"userReference": "${b}"}, "t.jsonl"), "t.jsonl", ['{"b": "x"}', '{"c": "x"}']),
        (_of_table({"userReference": "${b}"}, "t.jsonl"), "t.jsonl", ['{"b": "x"}', "no JSON"]),
        (_of_table({"userReference": "${b}"}, more=', "group_by": "b"'), "t.csv", ["b", "x"]),
    ],
    ids=["column", "length", "cell", "keys", "no JSON", "one group"],
)
def test_a_table_of_which_no_row_makes_an_item_is_read_in_slices(slices, job, table, rows):
    """However long it is: others work meanwhile, and a signal is heeded."""
    first, other = rows
    assert slices(job, table, f"{first}\n" + f"{other}\n" * 20_000) >= 40
