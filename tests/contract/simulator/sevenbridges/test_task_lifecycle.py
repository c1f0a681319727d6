"""Tasks and batch tasks of the simulated Seven Bridges: names, statuses, refusals."""

from itertools import groupby

import pytest

from orchestrator.simulator import Fault, FaultKind

COURSES = {
    "s1": ["QUEUED", "RUNNING", "COMPLETED"],
    "s1-fail": ["QUEUED", "RUNNING", "FAILED"],
    "s1-abort": ["QUEUED", "RUNNING", "ABORTING", "ABORTED"],
    "s1-flip": ["QUEUED", "RUNNING", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "COMPLETED"],
    "s1-odd": ["QUEUED", "RUNNING", "HIBERNATING", "RUNNING", "COMPLETED"],
    "s1-stuck": ["QUEUED", "RUNNING"],
    "s1-slow": ["QUEUED"],
}


@pytest.mark.parametrize(("name", "course"), COURSES.items())
async def test_a_name_decides_what_becomes_of_a_task(make_sb, name, course):
    """A failure has a reason, an end a price and a time."""
    sb = make_sb(task_seconds=100.0)
    drafted = await sb.draft(name)
    assert (drafted.json()["status"], drafted.json()["start_time"]) == ("DRAFT", None)
    seen = [(await sb.run(drafted)).json()["status"]]
    for _ in range(21):
        await sb.clock.advance(5)
        seen.append((await sb.task(drafted))["status"])
    assert [status for status, _ in groupby(seen)] == course
    task = await sb.task(drafted)
    final = course[-1] in {"COMPLETED", "FAILED", "ABORTED"}
    assert (task["price"] is not None, task["end_time"] is not None) == (final, final)
    assert bool(task["errors"]) == (course[-1] == "FAILED")


@pytest.mark.parametrize(
    ("name", "status", "code"), [("s-bad", 400, 7008), ("s-busy", 503, 7000), ("s-unknown", 404, 6002)]
)
async def test_a_name_may_have_its_draft_refused(sb, name, status, code):
    """With the platform's four keys, and nothing made."""
    answer = await sb.draft(name)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status)
    assert answer.json().keys() == {"status", "code", "message", "more_info"}
    assert sb.truth.made() == {}


async def test_what_cannot_be_done_to_a_task_is_refused(sb):
    """Each with its own code, and without effect."""
    task = await sb.draft("s1")
    path = f"/tasks/{task.json()['id']}"
    draft_aborted = await sb.post(f"{path}/actions/abort")
    await sb.run(task)
    answers = [
        draft_aborted,
        await sb.run(task),
        await sb.client.delete(path),
        await sb.get("/tasks/no-uuid"),
        await sb.get("/tasks/00000000-0000-4000-8000-000000000000"),
        await sb.get("/tasks", status="CREATING"),
        await sb.get("/tasks", order_by="price"),
        await sb.get("/tasks", limit=101),
        await sb.draft(""),
        await sb.client.post("/tasks", content=b"{"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (400, 7011),
        (400, 7007),
        (400, 7007),
        (400, 7005),
        (404, 7002),
        (400, 7006),
        (400, 400),
        (400, 400),
        (400, 7001),
        (400, 400),
    ]
    assert sb.truth.made() == {("draft", "s1"): 1, ("run", "s1"): 1}


@pytest.mark.parametrize(("invalid_run", "status", "errors"), [("errors", 200, [7012]), ("refuse", 400, [])])
async def test_a_task_with_validation_errors_stays_a_draft(make_sb, invalid_run, status, errors):
    """Told in the answer and in the task, or by a refusal: a knob; nothing runs either way."""
    sb = make_sb(invalid_run=invalid_run)
    drafted = await sb.draft("s1-invalid")
    assert (await sb.run(drafted)).status_code == status
    task = await sb.task(drafted)
    assert (task["status"], [error["code"] for error in task["errors"]]) == ("DRAFT", errors)
    assert ("run", "s1-invalid") not in sb.truth.made()


@pytest.mark.parametrize("post_status", [200, 201])
async def test_what_a_post_answers_is_a_knob(make_sb, post_status):
    """The same for everything that is made."""
    sb = make_sb(post_status=post_status)
    item = {"drs_uri": "drs://host/a", "project": sb.project}
    answers = [
        await sb.draft("s1"),
        await sb.post("/storage/imports", sb.imports("a")[0]),
        await sb.post("/async/files/copy", {"items": [{"file": "f1", "project": sb.project}]}),
        await sb.post("/bulk/drs/imports/create", {"items": [item]}),
        await sb.post("/automation/runs", {"package": "p"}),
    ]
    assert {answer.status_code for answer in answers} == {post_status}


@pytest.mark.parametrize(
    ("parent_end", "some", "every"),
    [
        ("completed", "COMPLETED", "COMPLETED"),
        ("failed_if_any", "FAILED", "FAILED"),
        ("failed_if_all", "COMPLETED", "FAILED"),
    ],
)
async def test_how_a_batch_task_ends_is_a_knob(make_sb, parent_end, some, every):
    """Its counts say what became of the children, whatever its own status."""
    sb = make_sb(parent_end=parent_end)
    mixed, failing = await sb.batch("mixed", "a", "b-fail"), await sb.batch("failing", "c-fail")
    for drafted in (mixed, failing):
        assert (await sb.run(drafted)).json()["status"] == "CREATING"
    await sb.clock.advance(60)
    tasks = [await sb.task(mixed), await sb.task(failing)]
    assert [task["status"] for task in tasks] == [some, every]
    counts = [task["execution_status"] for task in tasks]
    assert [(each["completed"], each["failed"]) for each in counts] == [(1, 1), (0, 1)]


async def test_a_batch_task_runs_as_long_as_a_child_does(sb):
    """One child that never ends keeps its parent RUNNING; the children that ended are counted."""
    drafted = await sb.batch("cohort", "a", "b-stuck")
    await sb.run(drafted)
    await sb.clock.advance(10_000)
    task = await sb.task(drafted)
    assert (task["status"], task["execution_status"]["completed"], task["end_time"]) == ("RUNNING", 1, None)


async def test_aborting_a_batch_task_aborts_its_children(sb):
    """Those that have ended keep their end."""
    drafted = await sb.batch("cohort", "a", "b-slow")
    await sb.run(drafted)
    await sb.clock.advance(60)
    await sb.post(f"/tasks/{drafted.json()['id']}/actions/abort")
    await sb.clock.advance(10)
    children = (await sb.get("/tasks", parent=drafted.json()["id"], fields="name,status", order="asc")).json()["items"]
    assert (await sb.task(drafted))["status"] == "ABORTED"
    assert [child["status"] for child in children] == ["COMPLETED", "ABORTED"]


async def test_criteria_group_files_by_metadata(sb):
    """One child for each value."""
    items = [{"id": f"f{n}", "metadata": {"sample": f"s{n % 2}"}} for n in range(4)]
    await sb.post("/bulk/files/edit", {"items": items})
    by = {"type": "criteria", "criteria": ["metadata.sample"]}
    drafted = await sb.batch("cohort", "f0", "f1", "f2", "f3", batch_by=by)
    await sb.run(drafted)
    await sb.clock.advance(5)
    assert await sb.names(parent=drafted.json()["id"], order="asc") == ["cohort - s0", "cohort - s1"]
    refused = await sb.batch("cohort", "f0", batch_by={"type": "criteria"})
    assert (refused.status_code, refused.json()["code"]) == (400, 7019)


async def test_a_lost_answer_to_a_run_has_run_the_task(make_sb):
    """The connection breaks after the effect; the second run meets 7007, and the ledger shows one."""
    sb = make_sb(Fault(kind=FaultKind.RESET_AFTER, operation="run_task", count=1))
    drafted = await sb.draft("s1")
    with pytest.raises(ConnectionResetError):
        await sb.run(drafted)
    assert (await sb.run(drafted)).json()["code"] == 7007
    assert sb.truth.made() == {("draft", "s1"): 1, ("run", "s1"): 1}
    assert sb.truth.duplicates() == {}


async def test_a_gateway_that_sends_twice_makes_two(make_sb):
    """Two drafts of one name, of which the second is answered; a name that was run twice shows in the evidence."""
    sb = make_sb(Fault(kind=FaultKind.QUIRK, quirk="made_twice", operation="create_task", nth=1))
    drafted = await sb.draft("s1")
    listed = (await sb.get("/tasks", fields="id", order="asc")).json()["items"]
    assert [row["id"] for row in listed].index(drafted.json()["id"]) == 1
    for row in listed:
        await sb.post(f"/tasks/{row['id']}/actions/run")
    assert sb.truth.duplicates() == {("run", "s1"): 2}
    summary = (await sb.get("/_simulator/ledger", summary="true")).json()["summary"]
    assert summary["duplicates"] == [{"kind": "run", "name": "s1", "made": 2}]
