"""Lists of jobs: chosen by what they have, page by page, without reading all jobs there are."""

import pytest
import sqlalchemy as sa

from orchestrator.domain.model import JobId, JobState
from orchestrator.store.reading.job_criteria import JobCriteria

LABELS = {"run": "0172", "team": 'a "quoted" \\ one', "cohort": "Größe"}


async def found(scene, search, limit=3):
    """Names of the jobs, through all pages; each page but the last is full."""
    names, before = [], None
    while page := await scene.store.jobs.page(search=search, before=before, limit=limit):
        names += [job.spec.name for job in page]
        before = page[-1].id
        if len(page) < limit:
            break
    assert names == [job.spec.name for job in await scene.store.jobs.list(search=search)]
    return names


async def test_jobs_are_chosen_by_all_that_is_asked_for(scene):
    """Each condition narrows the others; pages follow each other without a gap."""
    for number in range(8):
        labels = {"run": str(number % 2), "lab": "x"}
        await scene.add(
            f"Job-{number}", items=2, labels=labels, account="b" if number > 5 else "ica", project=f"p{number % 4}"
        )
    assert await found(scene, JobCriteria()) == [f"Job-{number}" for number in reversed(range(8))]
    assert await found(scene, JobCriteria(labels={"run": "1"})) == ["Job-7", "Job-5", "Job-3", "Job-1"]
    assert await found(scene, JobCriteria(account="ica", labels={"run": "1", "lab": "x"})) == [
        "Job-5",
        "Job-3",
        "Job-1",
    ]
    assert await found(scene, JobCriteria(project="p1")) == ["Job-5", "Job-1"]
    assert await found(scene, JobCriteria(project="p1", account="b")) == []
    assert await found(scene, JobCriteria(name="JOB-3")) == ["Job-3"]
    assert await found(scene, JobCriteria(name="ob")) == [f"Job-{number}" for number in reversed(range(8))]
    await scene.store.advance.cancel("Job-2", now=scene.tick())
    assert await found(scene, JobCriteria(JobState.CANCELLED)) == ["Job-2"]
    assert len(await found(scene, JobCriteria(JobState.QUEUED))) == 7


@pytest.mark.parametrize("text", ["%", "_", "\\", "j%1", "j_1"])
async def test_a_name_is_searched_as_it_is_written(text, scene):
    """No character stands for others."""
    await scene.add("j-1", items=2)
    assert await found(scene, JobCriteria(name=text)) == []


async def test_a_label_is_matched_whole_and_in_its_case(scene):
    """Neither a part of a text, nor a text that looks like another label, nor another case."""
    await scene.add(items=2, labels=LABELS)
    await scene.add("beta", items=2, labels={"run": "01720", "note": '"run":"0172"', "xrun": "0172", "Team": "A"})
    await scene.add("gamma", items=2)
    for name, value in LABELS.items():
        assert await found(scene, JobCriteria(labels={name: value})) == ["alpha"]
    assert await found(scene, JobCriteria(labels={"run": "172"})) == []
    assert await found(scene, JobCriteria(labels={"RUN": "0172"})) == []
    assert await found(scene, JobCriteria(labels={"Team": "a"})) == []
    assert await found(scene, JobCriteria(labels={"note": '"run":"0172"'})) == ["beta"]


async def test_since_is_a_time_of_acceptance(scene):
    """To the microsecond, also where the clock was set back since an earlier job."""
    first = await scene.add(items=2)
    scene.now += 3 * 86_400_000_000
    second = await scene.add("beta", items=2)
    assert await found(scene, JobCriteria(since=second.created_at)) == ["beta"]
    assert await found(scene, JobCriteria(since=second.created_at + 1)) == []
    assert await found(scene, JobCriteria(since=first.created_at)) == ["beta", "alpha"]
    scene.now -= 3_600_000_000
    third = await scene.add("gamma", items=2)
    assert third.created_at < second.created_at
    assert await found(scene, JobCriteria(since=third.created_at)) == ["gamma", "beta"]
    assert await found(scene, JobCriteria(since=0)) == ["gamma", "beta", "alpha"]


@pytest.mark.parametrize(
    "search",
    [
        JobCriteria(),
        JobCriteria(account="ica"),
        JobCriteria(project="p", name="x", labels={"run": "1"}),
        JobCriteria(JobState.SUCCEEDED),
        JobCriteria(JobState.RUNNING),
        JobCriteria(JobState.RUNNING, "ica"),
        JobCriteria(since=1_700_000_000_000_000, labels={"run": "1"}),
    ],
)
async def test_a_page_is_read_by_an_index(search, scene):
    """In the order of the ids, or from the few unsettled jobs; never by sorting all jobs that there are."""
    for number in range(5):
        await scene.add(f"job-{number}", items=2)
    statements = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        statements.append((statement, parameters))

    database = scene.store._database
    sa.event.listen(database._readers.sync_engine, "before_cursor_execute", note)
    try:
        await scene.store.jobs.page(search=search, before=JobId("f"), limit=3)
    finally:
        sa.event.remove(database._readers.sync_engine, "before_cursor_execute", note)
    statement, parameters = next(each for each in statements if "FROM jobs" in each[0])
    async with database.read() as connection:
        if connection.dialect.name == "sqlite":
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = " ".join(row[3] for row in rows)
            by_id = "sqlite_autoindex_jobs_1" in plan and "TEMP B-TREE" not in plan
            assert by_id or "jobs_live" in plan, plan
        else:
            for other in ("seqscan", "bitmapscan", "sort"):  # the plan for a table of five rows says nothing
                await connection.exec_driver_sql(f"SET LOCAL enable_{other} = off")
            rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            plan = "\n".join(row[0] for row in rows)
            assert "jobs_pkey" in plan or "jobs_live" in plan, plan
            assert "Seq Scan" not in plan
