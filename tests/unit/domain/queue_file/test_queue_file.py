"""The queue file's schema: everything but the items."""

import pytest

from orchestrator.domain.messages.mistake import spell
from orchestrator.domain.model import After, JobState, RetryPolicy
from orchestrator.domain.queue_file.control_models import (
    Adopt,
    CancelJob,
    GiveUp,
    OfAccount,
    OfAll,
    Pause,
    Resume,
    RetryJob,
)
from orchestrator.domain.queue_file.estimate import Digest
from orchestrator.domain.queue_file.model import read
from orchestrator.domain.webhook import Notice, Notify

JOB = {"name": "link-0172", "kind": "ica.data_linking", "account": "ica", "project": "p", "items": []}


def document(*jobs, **more):
    return {"version": 1, "jobs": list(jobs)} | more


def places(reading):
    return [spell(mistake.path) for mistake in reading.mistakes]


def test_a_whole_job_is_read():
    """Every key of the contract arrives with its meaning."""
    job = JOB | {
        "after": {"jobs": ["a", "b"], "accept": ["succeeded", "partial"]},
        "priority": 0,
        "max_open": 7,
        "stop_after": {"failed": 3},
        "retry": {"attempts": 2, "on": ["FAILED"]},
        "engine": "cwl",
        "template": {"a": 1},
        "count": 5,
    }
    reading = read(document(job))
    assert reading.mistakes == []
    (found,) = reading.jobs
    assert After(("a", "b"), frozenset({JobState.SUCCEEDED, JobState.PARTIAL})) == found.waits_for
    assert RetryPolicy(2, frozenset({"FAILED"})) == found.retry_policy
    assert (found.priority, found.max_open, found.stop_after.failed, found.count) == (0, 7, 3, 5)


def test_after_has_a_short_spelling():
    """A list of names waits for their success."""
    (job,) = read(document(JOB | {"after": ["a"]})).jobs
    assert After(("a",), frozenset({JobState.SUCCEEDED})) == job.waits_for


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "-x"}, "jobs[0].name"),
        ({"name": "a" * 101}, "jobs[0].name"),
        ({"name": "a/../b"}, "jobs[0].name"),
        ({"name": "a\n"}, "jobs[0].name"),
        ({"name": 172}, "jobs[0].name"),
        ({"priority": 10}, "jobs[0].priority"),
        ({"priority": True}, "jobs[0].priority"),
        ({"max_open": 0}, "jobs[0].max_open"),
        ({"stop_after": {"failed": 0}}, "jobs[0].stop_after.failed"),
        ({"retry": {"attempts": 2}}, "jobs[0].retry.on"),
        ({"after": []}, "jobs[0].after"),
        ({"after": {"jobs": ["a"], "accept": ["done"]}}, "jobs[0].after.accept[0]"),
        ({"engine": ""}, "jobs[0].engine"),
        ({"prioritty": 1}, "jobs[0].prioritty"),
        ({"count": 0}, "jobs[0].count"),
        ({"template": []}, "jobs[0].template"),
        ({"notify": {"on": ["settled"]}}, "jobs[0].notify.webhook"),
        ({"notify": {"webhook": "https://x", "on": []}}, "jobs[0].notify.on"),
        ({"notify": {"webhook": "https://x", "on": ["done"]}}, "jobs[0].notify.on[0]"),
        ({"labels": {"run": 172}}, "jobs[0].labels.run"),
        ({"labels": {}}, "jobs[0].labels"),
    ],
)
def test_one_mistake_is_told_at_its_place(change, place):
    """A wrong key or value is told by its path, once."""
    assert places(read(document(JOB | change))) == [place]


@pytest.mark.parametrize("table", ["../x.csv", "/etc/x.csv", ".x.csv", "x.txt", "a b.csv", "x.csv\n", ""])
def test_a_table_is_a_plain_name(table):
    """A table cannot lead out of the folder, nor be hidden."""
    job = {key: value for key, value in JOB.items() if key != "items"}
    assert places(read(document(job | {"table": table}))) == ["jobs[0].table"]


def test_items_or_table_and_not_both():
    """A job is made of exactly one of the two."""
    neither = {key: value for key, value in JOB.items() if key != "items"}
    assert places(read(document(neither))) == ["jobs[0]"]
    assert places(read(document(JOB | {"table": "x.csv"}))) == ["jobs[0]"]


def test_all_mistakes_come_at_once():
    """Neither a job nor the document's own keys hide what is wrong elsewhere."""
    reading = read({"version": 2, "extra": 1, "jobs": [JOB | {"priority": "high"}, 5, JOB | {"max_open": "x"}]})
    assert {"version", "extra", "jobs[0].priority", "jobs[1]", "jobs[2].max_open", "jobs[2].name"} == set(
        places(reading)
    )


def test_names_differ_in_more_than_case():
    """Two jobs of one file with the same name but for case are told, with the first one's place."""
    (mistake,) = read(document(JOB, JOB | {"name": "LINK-0172"})).mistakes
    assert mistake.path == ("jobs", 1, "name")
    assert "jobs[0]" in mistake.message


def test_webhook_and_labels_are_read():
    """A webhook is called once the job has settled where `on` is left out."""
    changes = {"notify": {"webhook": "https://x/"}, "labels": {"run": "0172", "lab/team": ""}}
    (job,) = read(document(JOB | changes)).jobs
    assert job.notifies == Notify("https://x/", frozenset({Notice.SETTLED}))
    assert job.labels == {"run": "0172", "lab/team": ""}


def test_webhook_and_labels_are_content_where_there_are_any():
    """A job without them keeps the digest that it always had; any change of them is another content."""
    variants = [{}, {"labels": {"run": "1"}}, {"labels": {"run": "2"}}, {"notify": {"webhook": "https://x/"}}]
    variants.append({"notify": {"webhook": "https://x/", "on": ["blocked"]}})
    jobs = [read(document(JOB | change)).jobs[0] for change in variants]
    assert len({Digest(job).hexdigest() for job in jobs}) == len(variants)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"version": 2}, "version: must be 1, and is the number 2 - write `version: 1`"),
        ({"version": "1"}, "version: must be 1, and is the text '1' - write `version: 1`"),
        (
            {"controls": [{"pause": {"all": False}}]},
            "controls[0].pause.all: must be true, and is the literal false - write `all: true`",
        ),
        ({"jobs": [JOB | {"engine": 5}]}, "jobs[0].engine: must be text, and is the number 5"),
        (
            {"jobs": [JOB | {"name": "Pröbe"}]},
            "jobs[0].name: 'Pröbe' holds U+00F6 LATIN SMALL LETTER O WITH DIAERESIS behind Pr; it is no job name",
        ),
    ],
)
def test_what_to_write_is_told_as_a_queue_file_spells_it(wrong, says):
    """Neither Python's literals nor a number in quotes."""
    (mistake,) = read(document(JOB) | wrong).mistakes
    assert str(mistake).startswith(says)


def test_a_missing_version_is_named_as_it_has_to_be_written():
    """It is the first mistake of a person who writes a queue file."""
    (mistake,) = read({"jobs": [JOB]}).mistakes
    assert str(mistake) == "version: `version` is missing - add `version: 1`"


def test_a_misspelt_key_names_the_one_meant():
    """The remedy of an unknown key is the nearest known one."""
    (mistake,) = read(document(JOB | {"prioritty": 1})).mistakes
    assert mistake.remedy == "did you mean `priority`?"


def test_controls_are_read():
    """Every control and every spelling of its scope."""
    controls = [
        {"cancel": "a"},
        {"retry": "a", "items": ["k"]},
        {"retry": "a", "state": "failed"},
        {"pause": "a"},
        {"pause": {"account": "ica"}},
        {"resume": {"all": True}},
        {"resume": {"job": "a"}},
        {"adopt": {"job": "a", "batch": 1, "remote_id": "x"}},
        {"give-up": "a"},
        {"give-up": "a", "items": ["k"]},
    ]
    reading = read({"version": 1, "controls": controls})
    assert reading.mistakes == []
    kinds = [CancelJob, RetryJob, RetryJob, Pause, Pause, Resume, Resume, Adopt, GiveUp, GiveUp]
    assert kinds == [type(control) for control in reading.controls]
    assert OfAccount(account="ica") == reading.controls[4].pause
    assert OfAll(all=True) == reading.controls[5].resume


@pytest.mark.parametrize(
    "control",
    [
        {"stop": "a"},
        {"give_up": "a"},
        {"give-up": "a", "items": []},
        {"give-up": "a", "state": "failed"},
        {"cancel": 5},
        {"cancel": "a", "items": []},
        {"pause": {"all": False}},
        {"pause": {}},
        {"retry": "a", "items": ["k"], "state": "failed"},
        {"retry": "a", "state": "succeeded"},
        {"adopt": {"job": "a", "batch": 0, "remote_id": "x"}},
        "cancel",
    ],
)
def test_bad_controls_are_told(control):
    """A control that is not understood is a mistake at its place, never skipped."""
    reading = read({"version": 1, "controls": [control]})
    assert len(reading.mistakes) == 1
    assert reading.mistakes[0].path[:2] == ("controls", 0)


@pytest.mark.parametrize(
    "value", [[], None, "x", {"version": 1}, {"version": 1, "jobs": []}, {"version": 1, "jobs": {}}]
)
def test_a_document_that_asks_for_nothing_is_told(value):
    """What is no queue file is a mistake."""
    assert read(value).mistakes


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("after", "other", "write `after: [other]`"),
        ("stop_after", 5, "write `stop_after: {failed: 5}`"),
        ("retry", 3, "write `retry: {attempts: 3, on: [FAILED]}`"),
        ("table", "data/t.csv", "write `table: t.csv`, and drop it beside this file"),
    ],
)
def test_a_value_of_the_wrong_shape_comes_with_what_was_meant(key, value, remedy):
    """The line as it should stand in the file."""
    given = {name: each for name, each in JOB.items() if name != "items"} if key == "table" else JOB
    (mistake,) = read(document(given | {key: value})).mistakes
    assert mistake.remedy == remedy


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"max_open": 10**10}, "jobs[0].max_open"),
        ({"stop_after": {"failed": 2**63}}, "jobs[0].stop_after.failed"),
        ({"count": 10**40}, "jobs[0].count"),
    ],
)
def test_a_number_that_no_database_holds_is_a_mistake(change, place):
    """It kept the file in incoming/ for good: to store the job failed at each attempt."""
    assert places(read(document(JOB | change))) == [place]


def test_a_batch_number_that_no_database_holds_is_a_mistake():
    """The same for a control."""
    adopt = {"adopt": {"job": "a", "batch": 2**63, "remote_id": "r"}}
    assert len(read({"version": 1, "controls": [adopt]}).mistakes) == 1
