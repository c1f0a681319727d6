"""Transfers, file jobs, DRS imports and automation runs of the simulated Seven Bridges."""

import pytest

DAY = 86_400.0


async def test_a_location_decides_what_becomes_of_an_import(sb):
    """In a bulk call each by itself; a refused row is not made."""
    places = ["a", "b-fail", "c-odd", "d-stuck", "e-bad", "f-busy", "g-unknown", "h-slow"]
    answer = await sb.post("/bulk/storage/imports/create", {"items": sb.imports(*places)})
    refused = [row.get("error", {}).get("status") for row in answer.json()["items"]]
    assert refused == [None, None, None, None, 400, 503, 404, None]
    await sb.clock.advance(10)
    told = {name: sb.truth.status("import", name) for name in places}
    assert told == {
        "a": "COMPLETED",
        "b-fail": "FAILED",
        "c-odd": "COMPLETED",
        "d-stuck": "RUNNING",
        "e-bad": None,
        "f-busy": None,
        "g-unknown": None,
        "h-slow": "PENDING",
    }


@pytest.mark.parametrize(
    ("flags", "state", "code"),
    [({}, "FAILED", 9108), ({"overwrite": True}, "COMPLETED", None), ({"autorename": True}, "COMPLETED", None)],
)
async def test_an_import_to_a_name_that_is_taken(sb, flags, state, code):
    """Fails, unless it overwrites or takes another name."""
    (item,) = sb.imports("run/a.bam")
    await sb.post("/storage/imports", item)
    again = (await sb.post("/storage/imports", item | flags)).json()
    await sb.clock.advance(10)
    ended = (await sb.get(f"/storage/imports/{again['id']}")).json()
    assert (ended["state"], (ended["error"] or {}).get("code")) == (state, code)
    assert (ended["result"]["name"] != "a.bam") if flags.get("autorename") else True


async def test_a_file_job_is_forgotten_after_a_month(make_sb):
    """404, and gone from the list; while it is kept it is found by its own type alone."""
    sb = make_sb(file_job_days=30.0)
    job = (await sb.post("/async/files/move", {"items": [{"file": "f1", "project": "lab/other"}]})).json()
    assert job["id"].isdecimal()
    assert (await sb.get(f"/async/files/copy/{job['id']}")).status_code == 404
    await sb.clock.advance(29 * DAY)
    assert (await sb.get(f"/async/files/move/{job['id']}")).json()["state"] == "FINISHED"
    await sb.clock.advance(2 * DAY)
    assert (await sb.get(f"/async/files/move/{job['id']}")).status_code == 404
    assert (await sb.get("/async/files")).json()["items"] == []


async def test_what_a_file_job_did_shows_in_the_files(sb):
    """A copy is another file, a moved one is elsewhere, a deleted one is gone: a second time they fail or repeat."""
    await sb.post("/async/files/copy", {"items": [{"file": "f1", "project": sb.project, "name": "copy"}]})
    await sb.post("/async/files/copy", {"items": [{"file": "f1", "project": sb.project, "name": "copy"}]})
    await sb.post("/async/files/move", {"items": [{"file": "f2", "project": sb.project, "name": "moved"}]})
    deleting = [await sb.post("/async/files/delete", {"items": [{"file": "f3"}]}) for _ in range(2)]
    await sb.clock.advance(10)
    assert await sb.names("/files", project=sb.project) == ["copy", "copy", "moved"]
    rows = [(await sb.client.get(job.json()["href"])).json()["result"][0] for job in deleting]
    assert [row.get("error", {}).get("code") for row in rows] == [None, 5002]
    assert sb.truth.made() == {("copy", "f1"): 2, ("move", "f2"): 1, ("delete", "f3"): 2}


async def test_a_file_job_with_an_item_that_never_ends_never_ends(sb):
    """No row is shown before its end."""
    job = (await sb.post("/async/files/delete", {"items": [{"file": "f1"}, {"file": "f2-stuck"}]})).json()
    await sb.clock.advance(DAY)
    later = (await sb.client.get(job["href"])).json()
    assert (later["state"], later["result"], sb.truth.status("delete", "f1")) == ("RUNNING", None, "RUNNING")


async def test_drs_imports_are_taken_up_at_the_platforms_pace(make_sb):
    """Five hundred files in five minutes: the sixth hundred waits, and nothing fails."""
    sb = make_sb(drs_seconds=5.0)
    jobs = []
    for number in range(6):
        items = [{"drs_uri": f"drs://host/{number}/{n}", "project": sb.project} for n in range(100)]
        jobs.append((await sb.post("/bulk/drs/imports/create", {"items": items})).json())

    async def states():
        return [(await sb.client.get(job["href"])).json()["state"] for job in jobs]

    await sb.clock.advance(6)
    assert await states() == ["FINISHED"] * 5 + ["SUBMITTED"]
    await sb.clock.advance(300)
    assert await states() == ["FINISHED"] * 6


@pytest.mark.parametrize(("resolution", "files"), [("SKIP", 1), ("OVERWRITE", 1), ("RENAME", 2)])
async def test_a_drs_import_again(sb, resolution, files):
    """SKIP makes nothing, OVERWRITE another file in place of the first, RENAME one more."""
    body = {"items": [{"drs_uri": "drs://host/a", "project": sb.project}], "conflict_resolution": resolution}
    for _ in range(2):
        job = await sb.post("/bulk/drs/imports/create", body)
        await sb.clock.advance(10)
    assert (await sb.client.get(job.json()["href"])).json()["result"][0]["resource"]["project"] == sb.project
    assert len(await sb.names("/files", project=sb.project)) == files
    assert (await sb.post("/bulk/drs/imports/create", body | {"conflict_resolution": "ASK"})).status_code == 400


async def test_an_automation_run_may_fail_or_be_stopped_early(sb):
    """A run that is stopped before it is RUNNING makes no tasks; after its end it cannot be stopped."""
    failing, stopped = [
        (await sb.post("/automation/runs", {"package": "p", "name": name})).json() for name in ("r-fail", "r")
    ]
    assert (await sb.post(f"/automation/runs/{stopped['id']}/actions/stop")).status_code == 200
    await sb.clock.advance(60)
    assert (sb.truth.status("automation_run", "r-fail"), sb.truth.status("automation_run", "r")) == (
        "FAILED",
        "ABORTED",
    )
    assert [len(await sb.names(origin_id=run["id"])) for run in (failing, stopped)] == [2, 0]
    assert (await sb.post(f"/automation/runs/{failing['id']}/actions/stop")).status_code == 400
    assert await sb.names("/automation/runs", name="r") == ["r"]
