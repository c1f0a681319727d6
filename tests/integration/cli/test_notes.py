"""What `validate` and `submit` print beside mistakes: notes, the first item, and what the database knows of a name."""

import json

import pytest
from commands import PROJECT, Desk

from orchestrator.domain.model import JobSpec

TABLE = "sample,r1,chip\nA,fil.1,2.04E+11\nB,fil.2,7\n"
JOB = {
    "name": "a",
    "kind": "ica.analysis_creation",
    "account": "ica",
    "project": PROJECT,
    "engine": "nextflow",
    "table": "t.csv",
    "template": {
        "userReference": "run/${sample}",
        "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
        "analysisInput": {
            "inputs": [{"parameterCode": "reads", "dataIds": ["${r1}"]}],
            "parameters": [{"code": "chip", "value": "${chip}"}],
        },
    },
}
NOTE = "note: t.csv, line 2, column chip: '2.04E+11' is a number that a spreadsheet rounded: digits are lost"


@pytest.fixture
def desk(tmp_path):
    """A folder with a configuration, a queue file and its table."""
    desk = Desk(tmp_path)
    (tmp_path / "t.csv").write_text(TABLE)
    write(desk, JOB)
    return desk


def write(desk, *jobs):
    (desk.folder / "a.json").write_text(json.dumps({"version": 1, "jobs": jobs}) + "\n")


def validate(desk, *words):
    return desk.run("validate", str(desk.folder / "a.json"), *words)


KNOWN = JobSpec(name="A", kind="ica.data_linking", account="ica", project=PROJECT, digest="other", batch_size=5)
"""A job as the database has it, with other content."""


def test_validate_and_submit_print_notes(desk):
    """Both accept the file; JSON has the notes too."""
    ended = validate(desk)
    assert (ended.code, NOTE in ended.out) == (0, True)
    (file,) = json.loads(validate(desk, "--json").out)["files"]
    assert [f"note: {note}".startswith(NOTE) for note in file["notes"]] == [True]
    ended = desk.run("submit", str(desk.folder / "a.json"))
    assert (ended.code, NOTE in ended.out) == (0, True)


def test_the_plan_shows_the_first_item(desk):
    """As it will be sent, so that a slip of the template is seen before it is paid for."""
    assert '"userReference": "run/A"' in validate(desk, "--plan").out
    assert "userReference" not in validate(desk).out


def test_notes_of_a_bad_file_are_not_printed(desk):
    """What is not sent needs no note."""
    (desk.folder / "t.csv").write_text(TABLE + "C,x,7\n")
    ended = validate(desk)
    assert (ended.code, "note:" in ended.out) == (2, False)


def test_a_name_that_was_sent_with_other_content_is_a_mistake(desk):
    """Found before the file is dropped; nothing is dropped."""
    desk.fill((KNOWN, 1))
    desk.sql("UPDATE jobs SET sent_at = created_at")
    ended = validate(desk)
    assert ended.code == 2
    assert "jobs[0].name: a job named 'A' was sent already, with other content" in ended.out
    ended = desk.run("submit", str(desk.folder / "a.json"))
    assert ended.code == 2
    assert "was sent already, with other content" in ended.err
    assert not list((desk.queue / "incoming").glob("*"))


def test_what_the_database_knows_against_a_job_has_its_line(desk):
    """As every other mistake of the file has."""
    desk.fill((KNOWN, 1))
    desk.sql("UPDATE jobs SET sent_at = created_at")
    lines = ["version: 1", "jobs:", "  -", *(f"    {key}: {json.dumps(value)}" for key, value in JOB.items())]
    (desk.folder / "a.yaml").write_text("\n".join(lines) + "\n")
    for command in ("validate", "submit"):
        ended = desk.run(command, str(desk.folder / "a.yaml"))
        assert "a.yaml: line 4, jobs[0].name: a job named 'A' was sent already" in ended.out + ended.err


@pytest.mark.parametrize(
    ("name", "good"),
    [("run (1).json", "run-1.json"), ("Läufe 7.json", "L-ufe-7.json"), ("run 7..json", "run-7.json"), ("é.json", None)],
)
def test_a_name_that_the_daemon_would_not_take_is_a_mistake(desk, name, good):
    """A browser numbers what is downloaded twice: `validate` says so too, and how to name the file."""
    (desk.folder / name).write_text(json.dumps({"version": 1, "controls": [{"pause": {"all": True}}]}) + "\n")
    for command in ("validate", "submit"):
        ended = desk.run(command, str(desk.folder / name))
        said = ended.out + ended.err
        assert (ended.code, "the file: has a name that is not accepted" in said) == (2, True)
        assert ("rename it" in said) == (good is not None)
        assert good is None or f"rename it `{good}`: 1 to 200" in said


@pytest.mark.parametrize(
    ("control", "says"),
    [
        ({"pause": "all"}, "note: pause names all: no such job exists yet; for all jobs write `pause: {all: true}`"),
        ({"cancel": "ica"}, "note: cancel names ica: no such job exists yet; ica is an account"),
        ({"retry": "nope"}, "note: retry names nope: no such job exists yet; the file is rejected if there is none"),
        ({"cancel": "A"}, None),
    ],
)
def test_a_control_of_a_job_that_does_not_exist_is_noted(desk, control, says):
    """It is no mistake, as such a job may be dropped later; `all` and the names of accounts get a suggestion."""
    desk.fill((KNOWN, 1))
    (desk.folder / "c.json").write_text(json.dumps({"version": 1, "controls": [control]}) + "\n")
    for command in ("validate", "submit"):
        ended = desk.run(command, str(desk.folder / "c.json"))
        assert ended.code == 0
        assert says in ended.out if says else "note:" not in ended.out


def test_a_name_of_which_nothing_was_sent_is_noted(desk):
    """The new job takes its place."""
    desk.fill((KNOWN, 1))
    ended = validate(desk)
    assert (ended.code, "a takes the place of the job of that name" in ended.out) == (0, True)


def test_the_same_content_is_known_already(desk):
    """By its digest, which the database has."""
    desk.fill((KNOWN, 1))
    (file,) = json.loads(validate(desk, "--json").out)["files"]
    digest = file["jobs"][0]["digest"]
    desk.sql(f"UPDATE jobs SET digest = '{digest}', sent_at = created_at")
    ended = validate(desk)
    assert (ended.code, "a is known already with the same content: nothing changes" in ended.out) == (0, True)


def test_submit_counts_the_mistakes_that_it_does_not_list(desk):
    """As `validate` does."""
    controls = [{"cancel": f"job {number}"} for number in range(1200)]
    (desk.folder / "a.json").write_text(json.dumps({"version": 1, "controls": controls}) + "\n")
    assert desk.run("submit", str(desk.folder / "a.json")).err.endswith("and 200 more\n")


def test_a_job_of_rows_is_planned_later(desk):
    """`--plan` says so with the most items that there can be, and `submit` writes no count of what is not known."""
    rows = {"name": "b", "kind": "ica.analysis_creation", "account": "ica", "project": PROJECT, "engine": "nextflow"}
    template = JOB["template"] | {"userReference": "again/${sample}"}
    write(desk, JOB, rows | {"template": template, "table": {"job": "A"}})
    ended = validate(desk, "--plan")
    assert ended.code == 0
    assert "b: planned when A has settled, with an item for each matching row of it, 2 items at most" in ended.out
    assert "note: b: its items are made of the rows of A, and checked when that job has settled" in ended.out
    assert desk.run("submit", str(desk.folder / "a.json")).code == 0
    (dropped,) = (desk.queue / "incoming").glob("*.json")
    assert [job.get("count") for job in json.loads(dropped.read_text())["jobs"]] == [2, None]


def test_work_that_was_asked_for_before_is_noted(desk):
    """By `validate` and by `submit`, with the job that had it."""
    (desk.folder / "b.json").write_text(json.dumps({"version": 1, "jobs": [JOB | {"name": "b"}]}) + "\n")
    asked = json.loads(validate(desk, "--json").out)["files"][0]["jobs"][0]
    earlier = {"name": "a", "kind": JOB["kind"], "account": "ica", "project": PROJECT, "batch_size": 5}
    desk.fill((JobSpec(**earlier, digest=asked["digest"], content_digest=asked["content_digest"]), 2))
    note = "note: b is the same work as job a (queued, 0 of 2 items succeeded): all of it is done again"
    for command in ("validate", "submit"):
        ended = desk.run(command, str(desk.folder / "b.json"))
        assert (ended.code, note in ended.out) == (0, True), command
        assert "same work" not in desk.run("validate", str(desk.folder / "a.json")).out
