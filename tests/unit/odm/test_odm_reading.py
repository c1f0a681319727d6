"""What is read of ODM's answers: odd times, errors of stages, the job that a conflict names, statuses."""

import msgspec
import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.model import ItemState
from orchestrator.platforms.odm import statuses, wire


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1_669_000_000_000, 1_669_000_000_000_000),
        (1_669_000_000, 1_669_000_000_000_000),
        ("2022-11-21T03:06:40Z", 1_669_000_000_000_000),
        ("2022-11-21T04:06:40.000+01:00", 1_669_000_000_000_000),
        ("16-11-2022 08:40:14", None),
        ("2022-11-21T03:06:40", None),
        ("soon", None),
        (0, None),
        (6, None),
        (True, None),
        (1e300, None),
        (10**400, None),
        (9_000_000_000_000_000, None),
        ("9999-12-31T23:59:59-14:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        (None, None),
        ({}, None),
    ],
)
def test_only_times_that_leave_no_doubt_are_taken(value, moment):
    """Unix times in seconds or milliseconds, dates with a zone; never an error."""
    assert wire.moment(value) == moment


LINK = f"https://bucket.example.org/{'x' * 900}.tsv"


@pytest.mark.parametrize(
    ("message", "job"),
    [
        ("job instance already exists for parameters {...}, jobExecId=12345", "12345"),
        (f"job instance already exists for {LINK} and {LINK}, jobExecId=7", "7"),
        ('job instance already exists, \\"jobExecId\\": 8', "8"),
        ("job instance already exists", None),
        ("jobExecId=none", None),
    ],
)
def test_a_conflict_names_its_job(message, job):
    """However long the links before it are."""
    body = f'{{"error": {{"message": "{message}"}}}}'.encode()
    assert wire.job_named_by(Refused("409", 409, body=body)) == job


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ([{"stage": "parse", "stack": [{"type": "E", "message": "no header"}]}], "parse: E: no header"),
        ([{"stage": "a", "stack": [{"type": "E"}, {"message": "m"}]}, {"stage": "b"}], "a: E, caused by m; b"),
        (["plain"], "plain"),
        ("plain", "plain"),
        ([{"stage": "parse", "stack": "E: no header"}], "parse: E: no header"),
        ({"message": "no header"}, "no header"),
        ([], None),
        (None, None),
        ("", None),
    ],
)
def test_the_errors_of_an_import_are_one_line(errors, text):
    """Stage by stage, with the causes; odd shapes are read as far as they go."""
    assert wire.errors_of(wire.Output(errors=errors)) == text


@pytest.mark.parametrize(
    ("result", "facts"),
    [
        ({"accession": "GSF1"}, {"accession": "GSF1"}),
        ({"accession": None, "groupAccession": "GSF1"}, {"accession": "GSF1", "groupAccession": "GSF1"}),
        ({"groupAccession": "GSF1", "rows": 3}, {"accession": "GSF1", "groupAccession": "GSF1", "rows": 3}),
        (None, {"accession": None}),
        ("GSF1", {"accession": None}),
    ],
)
def test_an_import_has_its_accession_under_one_name(result, facts):
    """Whatever its type; ODM's own fields stay."""
    assert wire.results_of(wire.Output(result=result)) == facts


def test_every_status_of_the_specification_is_known():
    """Those of the generated client, and the one of the vendor's script."""
    tasks = ["CREATED", "QUEUEING", "QUEUED", "STARTING", "RUNNING", "DONE", "FAILED", "KILLED"]
    jobs = ["COMPLETED", "STARTING", "STARTED", "RUNNING", "STOPPING", "STOPPED", "FAILED", "ABANDONED", "UNKNOWN"]
    assert {*tasks, "BLOCKED_BY_DEPENDENCY_FAILURE"} == set(statuses.TASK)
    assert set(jobs) == set(statuses.JOB)


@pytest.mark.parametrize(("ended", "state"), [(False, ItemState.ATTENTION), (True, ItemState.FAILED)])
def test_a_blocked_task_waits_until_it_has_an_end(ended, state):
    """Its status alone does not say whether it may resume."""
    assert statuses.task_state("BLOCKED_BY_DEPENDENCY_FAILURE", ended=ended) == (state, True)


def test_rows_of_the_audit_log_cost_only_themselves():
    """One that cannot be read has no study."""
    assert wire.study_in(msgspec.Raw(b'{"studyAccession": "GSF1"}')) == "GSF1"
    assert wire.study_in(msgspec.Raw(b'{"studyAccession": 5}')) is None
