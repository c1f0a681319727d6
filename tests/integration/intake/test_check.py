"""A queue file from its bytes to a report."""

import json
import tracemalloc
from pathlib import Path

import pytest

from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.reading.json_stream import JsonEvents
from orchestrator.intake.reading.text import Text
from orchestrator.intake.reading.yaml_stream import YamlEvents
from orchestrator.intake.validation.check import check
from orchestrator.intake.validation.document import DocumentReader
from orchestrator.intake.validation.duplicate_keys import Keys

ACCOUNTS = {"ica": AccountLimits("ica", 5000), "sb": AccountLimits("sevenbridges", 10)}
PROJECT = "11111111-1111-1111-1111-111111111111"
HEAD = f"version: 1\njobs:\n  - name: a\n    kind: ica.data_linking\n    account: ica\n    project: {PROJECT}\n"
JOB = {"name": "a", "kind": "ica.data_linking", "account": "ica", "project": PROJECT}


async def told(path: Path) -> list[str]:
    """The mistakes of a file as text."""
    with await check(path, ACCOUNTS) as report:
        return [str(mistake) for mistake in report.mistakes]


def write(path: Path, text: str | dict) -> Path:
    path.write_text(json.dumps(text) if isinstance(text, dict) else text)
    return path


async def test_one_meaning_has_one_digest_in_every_spelling(tmp_path):
    """YAML, JSON, CSV, TSV and JSON lines of the same items are the same content, and the same bytes to send."""
    tables = {
        "t.csv": "n,dataId\n1,fil.1\n2,fil.2\n",
        "t.tsv": "n\tdataId\n1\tfil.1\n2\tfil.2\n",
        "t.jsonl": '{"dataId":"fil.1","n":"1"}\n{"n":2,"dataId":"fil.2"}\n',
    }
    files = [
        write(
            tmp_path / "a.yaml",
            HEAD + "    items:\n    - {dataId: fil.1, n: '1'}\n    - n: \"2\"\n      dataId: fil.2\n",
        ),
        write(
            tmp_path / "a.json",
            {"jobs": [JOB | {"items": [{"n": "1", "dataId": "fil.1"}, {"dataId": "fil.2", "n": "2"}]}], "version": 1},
        ),
    ]
    for name, text in tables.items():
        write(tmp_path / name, text)
        files.append(write(tmp_path / f"{name}.yml", HEAD + f"    table: {name}\n"))
    seen = set()
    for path in files:
        with await check(path, ACCOUNTS) as report:
            assert not report.mistakes, list(report.mistakes)
            (job,) = report.jobs
            seen.add((job.spec.digest, *(item.request for chunk in job.chunks() for item in chunk)))
    assert len(seen) == 1
    assert next(iter(seen))[1:] == (b'{"dataId":"fil.1","n":"1"}', b'{"dataId":"fil.2","n":"2"}')


async def test_templates_are_merged_and_filled(tmp_path):
    """Rows fill the template; items lie on it; the row itself is kept for the results."""
    write(tmp_path / "t.csv", "id,lab\n1,x\n")
    template = "    template: {dataId: 'fil.${id}', meta: {by: [1.10, '$$']}}\n"
    with await check(write(tmp_path / "a.yaml", HEAD + template + "    table: t.csv\n"), ACCOUNTS) as report:
        ((item,),) = report.jobs[0].chunks()
        assert (item.key, item.request, item.row) == (
            "fil.1",
            b'{"dataId":"fil.1","meta":{"by":[1.10,"$"]}}',
            b'{"id":"1","lab":"x"}',
        )
    template = "    template: {meta: {a: 1, b: 2}}\n"
    items = "    items: [{dataId: fil.x, meta: {b: 3}}]\n"
    with await check(write(tmp_path / "b.yaml", HEAD + template + items), ACCOUNTS) as report:
        ((item,),) = report.jobs[0].chunks()
        assert (item.request, item.row) == (b'{"dataId":"fil.x","meta":{"a":1,"b":3}}', None)


async def test_all_mistakes_come_at_once_with_their_lines(tmp_path):
    """Schema, kind, account, items, keys and count: everything wrong with a file in one report."""
    text = (
        "version: 1\n"
        "jobs:\n"
        "  - name: a\n"
        "    kind: ica.data_linking\n"
        "    account: nobody\n"
        "    project: mine\n"
        "    priority: high\n"
        "    count: 9\n"
        "    items:\n"
        "      - dataId: fil.1\n"
        "      - dataId: a/b\n"
        "      - extra: 1\n"
        "        dataId: fil.1\n"
        "      - just text\n"
        "  - name: b\n"
        "    kind: ica.import\n"
        "    account: ica\n"
        "    project: x\n"
        "    items: []\n"
    )
    expected = {
        "line 5, jobs[0].account",
        "line 6, jobs[0].project",
        "line 7, jobs[0].priority",
        "line 8, jobs[0].count",
        "line 11, jobs[0].items[1].dataId",
        "line 13, jobs[0].items[2].dataId",
        "line 14, jobs[0].items[3]",
        "line 16, jobs[1].kind",
        "line 18, jobs[1].project",
        "line 19, jobs[1].items",
    }
    with await check(write(tmp_path / "a.yaml", text), ACCOUNTS) as report:
        assert expected == {mistake.where for mistake in report.mistakes}
        twice = next(mistake for mistake in report.mistakes if mistake.line == 13)
        assert "jobs[0].items[0] (line 10)" in twice.message
        assert report.jobs == ()


async def test_json_mistakes_have_lines_too(tmp_path):
    """Where a JSON document has lines, they are told beside the path; a syntax error has its line as well."""
    path = tmp_path / "a.json"
    path.write_text(
        '{"version": 1,\n"jobs": [\n' + json.dumps(JOB | {"items": [{"dataId": "fil.x"}, {"dataId": 5}]}) + "]}"
    )
    assert (await told(path))[0].startswith("line 3, jobs[0].items[1].dataId: ")
    path.write_text('{"version": 1,\n"jobs": [\n,]}')
    assert (await told(path))[0].startswith("line 3: is not JSON")


@pytest.mark.parametrize(
    ("rest", "what"),
    [
        ("    template: {a: '${x}'}\n    items: [{dataId: fil.f}]\n", "no table to fill ${x}"),
        (
            "    template: {dataId: '${nope}'}\n    table: t.csv\n",
            "t.csv, line 1: has no column for ${nope}",
        ),
        ("    template: {dataId: '${id'}\n    table: t.csv\n", "never closed"),
        ("    table: t.csv\n", "t.csv, line 1, dataId: `dataId` is missing, for 1 row of t.csv - its columns are id"),
        ("    table: gone.csv\n", "gone.csv is not there"),
        ("    table: twice.csv\n", "twice.csv, line 4, dataId: has the same dataId as line 2"),
        ("    table: one.csv\n    count: 2\n", "says 2, and there are 1"),
        ("    table: none.csv\n", "none.csv, line 1: has the names of its columns, and no rows"),
        ("    engine: cwl\n    items: [{dataId: fil.f}]\n", "has no engine"),
        ("    engine: wdl\n    items: [{dataId: fil.f}]\n", "has no engine"),
        ("    account: sb\n    items: [{dataId: fil.f}]\n", "is an account on sevenbridges"),
    ],
)
async def test_what_is_wrong_with_a_job_is_told(tmp_path, rest, what):
    """Templates, tables, engines, accounts and counts are checked against each other."""
    write(tmp_path / "t.csv", "id\n1\n")
    write(tmp_path / "one.csv", "dataId\nfil.1\n")
    write(tmp_path / "none.csv", "dataId\n")
    write(tmp_path / "twice.csv", "dataId\nfil.1\nfil.2\nfil.1\n")
    head = HEAD.replace("    account: ica\n", "") if "account" in rest else HEAD
    mistakes = await told(write(tmp_path / "a.yaml", head + rest))
    assert any(what in mistake for mistake in mistakes), mistakes


async def test_a_thousand_mistakes_are_told_and_the_rest_counted(tmp_path):
    """A file that is wrong throughout does not fill the disk with its report."""
    controls = "".join(f"  - cancel: job {number}\n" for number in range(1500))
    with await check(write(tmp_path / "a.yaml", "version: 1\ncontrols:\n" + controls), ACCOUNTS) as report:
        assert (len(report.mistakes.kept), report.mistakes.more, report.mistakes.total) == (1000, 500, 1500)


async def test_an_empty_template_is_none(tmp_path):
    """`template: {}` changes neither rows nor items."""
    write(tmp_path / "t.csv", "dataId\nfil.1\n")
    for rest in ("    table: t.csv\n", "    items: [{dataId: fil.1}]\n"):
        path = write(tmp_path / "a.yaml", HEAD + "    template: {}\n" + rest)
        with await check(path, ACCOUNTS) as report:
            ((item,),) = report.jobs[0].chunks()
            assert item.request == b'{"dataId":"fil.1"}'


async def test_rows_keep_the_order_of_their_columns(tmp_path):
    """Results show columns as the table has them; their order is no content."""
    digests = set()
    for order in ("z,dataId,a\n1,fil.1,2\n", "a,z,dataId\n2,1,fil.1\n"):
        write(tmp_path / "t.csv", order)
        template = "    template: {dataId: '${dataId}'}\n    table: t.csv\n"
        with await check(write(tmp_path / "a.yaml", HEAD + template), ACCOUNTS) as report:
            ((item,),) = report.jobs[0].chunks()
            assert list(json.loads(item.row)) == order.partition("\n")[0].split(",")
            digests.add(report.jobs[0].spec.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("name", ["a.txt", "a", "a.csv", "a.yaml.gz"])
async def test_other_names_are_no_queue_files(tmp_path, name):
    """What a file is, its name says."""
    assert "neither YAML nor JSON" in (await told(write(tmp_path / name, "version: 1\n")))[0]


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
async def test_an_empty_file_is_told_as_such(tmp_path, name):
    """0 bytes are no document."""
    assert "0 bytes" in (await told(write(tmp_path / name, "")))[0]


async def test_ten_thousand_jobs_are_the_most(tmp_path):
    """A file of ever more jobs is stopped before it fills the memory."""
    text = "version: 1\njobs:\n" + "  - {name: a}\n" * 10_001
    assert any("more than 10000 jobs" in mistake for mistake in await told(write(tmp_path / "a.yaml", text)))


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_reading_costs_the_same_memory_for_any_number_of_items(tmp_path, suffix):
    """Four times the items need no more memory: they go by, to a file on the disk."""

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.{suffix}"
        items = [{"dataId": f"fil.{number:032x}"} for number in range(count)]
        text = json.dumps({"version": 1, "jobs": [JOB | {"items": items}]})
        path.write_text(text + "\n")
        with path.open("rb") as file, (tmp_path / "scratch").open("w+b") as scratch:
            source = Text(file, yaml=suffix == "yaml")
            events = YamlEvents(source, Mistakes()) if suffix == "yaml" else JsonEvents(source)
            tracemalloc.start()
            try:
                for _ in DocumentReader(events, source, Mistakes(), scratch).read():
                    pass
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    few, many = peak(5000), peak(20_000)
    assert many < few + 500_000


def test_keys_are_compared_in_shares_with_the_same_result(tmp_path):
    """However few digests fit at a time, each key that stands twice is found with its first place."""
    names = [f"k{number % 700}" for number in range(1000)]
    found = []
    for at_a_time in (10, 100, 10_000):
        with (tmp_path / "keys").open("w+b") as file:
            keys = Keys(file, at_a_time=at_a_time)
            for seq, name in enumerate(names, 1):
                keys.add(name, seq, seq + 1)
            work = keys.twice()
            try:
                while True:
                    next(work)
            except StopIteration as stop:
                found.append([(first.seq, again.seq, again.line) for first, again in stop.value])
    assert found == [[(seq - 700, seq, seq + 1) for seq in range(701, 1001)]] * 3
