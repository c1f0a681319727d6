"""Tasks, batch tasks and automation runs, as sevenbridges-python 2.11.2 sees them."""

import pytest
from sevenbridges.errors import BadRequest, NotFound, TaskValidationError

NEW = {200, 201}


@pytest.mark.parametrize("post_status", sorted(NEW))
async def test_a_task_is_drafted_run_and_ends(seven_bridges, post_status):
    """Whatever a POST answers: DRAFT, QUEUED, RUNNING, COMPLETED with times, price and outputs."""
    async with seven_bridges(post_status=post_status) as it:
        inputs = {"reads": it.file("f1"), "threads": 4}
        task = await it.call(it.api.tasks.create, name="s1", project=it.project, app=it.app, inputs=inputs)
        assert (task.status, task.name, task.app, task.batch) == ("DRAFT", "s1", it.app, False)
        assert (await it.call(lambda: task.inputs["reads"].id)) == "f1"
        await it.call(task.run)
        assert task.status == "QUEUED"
        seen = []
        for _ in range(3):
            await it.clock.advance(12)
            await it.call(task.reload)
            seen.append(task.status)
        assert seen == ["RUNNING", "RUNNING", "COMPLETED"]
        assert (task.price.amount, task.execution_status.steps_completed) == (0.42, 1)
        assert (task.end_time - task.start_time).total_seconds() == 30
        assert task.outputs["report"].name == "s1.html"
        assert it.simulator.truth.made() == {("draft", "s1"): 1, ("run", "s1"): 1}


async def test_a_second_run_is_refused_and_runs_nothing(seven_bridges):
    """400 with code 7007, as often as it is asked."""
    async with seven_bridges() as it:
        task = await it.call(it.api.tasks.create, name="s1", project=it.project, app=it.app, inputs={}, run=True)
        for _ in range(2):
            with pytest.raises(BadRequest) as refused:
                await it.call(task.run)
            assert refused.value.code == 7007
        assert it.simulator.truth.made()["run", "s1"] == 1


async def test_validation_errors_leave_a_draft(seven_bridges):
    """The client raises what the task's `errors` say; nothing runs."""
    async with seven_bridges() as it:
        make = it.api.tasks.create
        with pytest.raises(TaskValidationError) as invalid:
            await it.call(make, name="s1-invalid", project=it.project, app=it.app, inputs={}, run=True)
        assert invalid.value.task.status == "DRAFT"
        task = invalid.value.task
        await it.call(task.run)  # here the client leaves the errors to its caller
        assert (task.status, task.errors[0]["code"]) == ("DRAFT", 7012)
        assert it.simulator.truth.made() == {("draft", "s1-invalid"): 1}


async def test_a_batch_task_has_a_child_for_each_file(seven_bridges):
    """Found by `parent`, counted in the parent's execution status; the parent passes through CREATING."""
    async with seven_bridges() as it:
        files = [it.file(name) for name in ("a", "b-fail", "c")]
        parent = await it.call(
            it.api.tasks.create,
            name="cohort",
            project=it.project,
            app=it.app,
            inputs={"reads": files},
            batch_input="reads",
            batch_by={"type": "item"},
            run=True,
        )
        assert (parent.status, parent.batch) == ("CREATING", True)
        assert (await it.call(parent.get_batch_children)).total == 0
        await it.clock.advance(20)
        await it.call(parent.reload)
        assert (parent.status, parent.execution_status.running) == ("RUNNING", 3)
        await it.clock.advance(20)
        await it.call(parent.reload)
        children = await it.call(parent.get_batch_children)
        assert sorted((child.name, child.status) for child in children) == [
            ("cohort - a", "COMPLETED"),
            ("cohort - b-fail", "FAILED"),
            ("cohort - c", "COMPLETED"),
        ]
        counts = parent.execution_status
        assert (parent.status, counts.completed, counts.failed, counts.running) == ("COMPLETED", 2, 1, 0)
        assert (await it.call(it.api.tasks.query, project=it.project)).total == 1


async def test_abort_passes_through_aborting(seven_bridges):
    """Allowed while a task runs; afterwards 400 with code 7011."""
    async with seven_bridges() as it:
        task = await it.call(it.api.tasks.create, name="s1", project=it.project, app=it.app, inputs={}, run=True)
        await it.call(task.abort)
        assert task.status == "ABORTING"
        await it.clock.advance(3)
        await it.call(task.reload)
        assert task.status == "ABORTED"
        with pytest.raises(BadRequest) as refused:
            await it.call(task.abort)
        assert refused.value.code == 7011


async def test_tasks_are_read_in_bulk_and_listed_in_pages(seven_bridges):
    """A row is a resource or an error; pages follow their links to the end."""
    async with seven_bridges() as it:
        tasks = [
            await it.call(it.api.tasks.create, name=f"s{n}", project=it.project, app=it.app, inputs={})
            for n in range(5)
        ]
        nobody = "00000000-0000-4000-8000-000000000000"
        records = await it.call(it.api.tasks.bulk_get, tasks=[*tasks, nobody])
        assert [record.valid for record in records] == [True] * 5 + [False]
        assert (records[0].resource.name, records[-1].error.code) == ("s0", 7002)
        listed = await it.call(lambda: [task.name for task in it.api.tasks.query(project=it.project, limit=2).all()])
        assert listed == ["s4", "s3", "s2", "s1", "s0"]
        with pytest.raises(NotFound):
            await it.call(it.api.tasks.get, nobody)
        await it.call(tasks[0].delete)
        assert (await it.call(it.api.tasks.query, project=it.project)).total == 4


async def test_an_automation_run_makes_tasks_and_finishes(seven_bridges):
    """Through its eight states; found by name, its tasks by origin."""
    async with seven_bridges() as it:
        run = await it.call(it.api.automation_runs.create, package="lab/auto/1", name="nightly", inputs={"n": 1})
        seen = [run.status]
        for _ in range(4):
            await it.clock.advance(1.5)
            await it.call(run.reload)
            seen.append(run.status)
        assert seen == ["CREATED", "QUEUED_FOR_EXECUTION", "SENT_TO_EXECUTION", "RUNNING", "RUNNING"]
        found = await it.call(it.api.automation_runs.query, name="nightly")
        assert [each.id for each in found] == [run.id]
        tasks = await it.call(it.api.tasks.query, origin=run.id)
        assert {task.origin for task in tasks} == {run.id}
        await it.clock.advance(60)
        await it.call(run.reload)
        assert (run.status, tasks.total) == ("FINISHED", 2)


async def test_an_automation_run_is_stopped(seven_bridges):
    """Answered 200; it passes through QUEUED_FOR_TERMINATION, and its tasks are aborted."""
    async with seven_bridges() as it:
        run = await it.call(it.api.automation_runs.create, package="lab/auto/1", name="nightly", inputs={})
        await it.clock.advance(10)
        await it.call(run.stop)
        await it.call(run.reload)
        assert run.status == "QUEUED_FOR_TERMINATION"
        await it.clock.advance(3)
        await it.call(run.reload)
        statuses = {task.status for task in await it.call(it.api.tasks.query, origin=run.id)}
        assert (run.status, statuses) == ("ABORTED", {"ABORTED"})
