"""Lists, pages, bulk rows and selected fields of the simulated Seven Bridges."""

import pytest

from orchestrator.simulator import Fault, FaultKind

DAY = 86_400.0


async def _drafts(sb, count):
    names = [f"s{number}" for number in range(count)]
    for name in names:
        await sb.draft(name)
        await sb.clock.advance(1)
    return names


async def _sweep(sb, **query):
    """All names that the pages of a list show, following the links."""
    seen, answer = [], await sb.get("/tasks", fields="name", order="asc", **query)
    while True:
        seen += [row["name"] for row in answer.json()["items"]]
        following = [link["href"] for link in answer.json()["links"] if link["rel"] == "next"]
        if not following:
            return seen
        answer = await sb.client.get(following[0])


async def test_pages_have_links_and_a_total(sb):
    """Followed from the first to the last page, forwards and backwards."""
    names = await _drafts(sb, 5)
    assert await _sweep(sb, limit=2) == names
    middle = await sb.get("/tasks", offset=2, limit=2)
    assert (middle.headers["X-Total-Matching-Query"], {link["rel"] for link in middle.json()["links"]}) == (
        "5",
        {"next", "prev"},
    )


async def test_a_list_shows_little_unless_asked(sb):
    """Without `fields` four keys; with them those; a name is no filter."""
    await _drafts(sb, 2)
    plain = (await sb.get("/tasks", name="s1")).json()["items"]
    assert [row.keys() for row in plain] == [{"href", "id", "name", "project"}] * 2
    some = (await sb.get("/tasks", fields="id,status,execution_status.message")).json()["items"][0]
    assert (some.keys(), some["execution_status"]) == ({"id", "status", "execution_status"}, {"message": "Draft"})
    assert "price" in (await sb.get("/tasks", fields="_all")).json()["items"][0]


async def test_bulk_rows_hold_the_fields_that_were_asked_for(sb):
    """`resource.id,resource.status`; an error row stays whole."""
    task = (await sb.draft("s1")).json()
    ids = [task["id"], "00000000-0000-4000-8000-000000000000"]
    answer = await sb.post("/bulk/tasks/get", {"task_ids": ids}, fields="resource.id,resource.status")
    first, second = answer.json()["items"]
    assert first == {"resource": {"id": task["id"], "status": "DRAFT"}}
    assert second["error"]["code"] == 7002


async def test_a_bulk_call_takes_a_hundred_rows(sb):
    """One more, none, or something that is no list is refused as a whole."""
    assert (await sb.post("/bulk/storage/imports/create", {"items": sb.imports(*map(str, range(100)))})).is_success
    for items in (sb.imports(*map(str, range(101))), [], "a", None):
        assert (await sb.post("/bulk/storage/imports/create", {"items": items})).status_code == 400
    assert len(sb.simulator.ledger.effects("import")) == 100


@pytest.mark.parametrize(
    ("quirk", "seen"),
    [
        ("rows_shift", ["s0", "s1", "s3", "s4", "s4"]),
        ("row_vanishes", ["s0", "s1", "s2", "s4"]),
        ("twice_listed", ["s0", "s1", "s2", "s3", "s3", "s4"]),
    ],
)
async def test_a_page_may_lose_or_repeat_a_row(make_sb, quirk, seen):
    """For one call only: the next sweep is right again."""
    sb = make_sb(Fault(kind=FaultKind.QUIRK, quirk=quirk, operation="list_tasks", nth=2))
    names = await _drafts(sb, 5)
    assert await _sweep(sb, limit=2) == seen
    assert await _sweep(sb, limit=2) == names


async def test_pages_that_shift_while_they_are_read(make_sb):
    """One sweep misses a row, another one shows one twice; together they show all."""
    sb = make_sb(pages_shift=True)
    names = await _drafts(sb, 4)
    first, second = await _sweep(sb, limit=2), await _sweep(sb, limit=2)
    assert (first, second) == (["s0", "s1", "s3"], ["s0", "s1", "s1", "s2"])
    assert {*first, *second} == set(names)


@pytest.mark.parametrize(
    ("time_filter", "seen"),
    [("exact", ["new"]), ("day", ["earlier", "new"]), ("ignored", ["old", "earlier", "new"])],
)
async def test_how_exactly_times_filter_is_a_knob(make_sb, time_filter, seen):
    """To the second, to the day, or not at all; the clock begins at 22:13:20 UTC."""
    sb = make_sb(time_filter=time_filter)
    for name, pause in (("old", 3 * DAY), ("earlier", 60.0), ("new", 0.0)):
        await sb.draft(name)
        await sb.clock.advance(pause)
    assert await sb.names(created_from="2023-11-17T22:14:00", order="asc") == seen


async def test_a_time_that_is_none_is_refused(sb):
    """With 400."""
    await sb.draft("s1")
    assert (await sb.get("/tasks", created_from="yesterday")).status_code == 400


async def test_lists_may_lag(make_sb):
    """What was just made is there by its id, and in no list for a while."""
    sb = make_sb(list_lag=60.0)
    drafted = await sb.draft("s1")
    await sb.post("/storage/imports", sb.imports("a")[0])
    await sb.post("/automation/runs", {"package": "p", "name": "r"})
    paths = ("/tasks", "/storage/imports", "/automation/runs")
    assert (await sb.task(drafted))["name"] == "s1"
    assert [len((await sb.get(path)).json()["items"]) for path in paths] == [0, 0, 0]
    await sb.clock.advance(60)
    assert [len((await sb.get(path)).json()["items"]) for path in paths] == [1, 1, 1]


async def test_whether_lists_show_children_is_a_knob(make_sb):
    """By `parent` they are always found."""
    for shown, count in ((False, 1), (True, 3)):
        sb = make_sb(children_listed=shown)
        drafted = await sb.batch("cohort", "a", "b")
        await sb.run(drafted)
        await sb.clock.advance(5)
        assert len(await sb.names()) == count
        assert len(await sb.names(parent=drafted.json()["id"])) == 2


async def test_rows_may_come_in_another_order(make_sb):
    """By knob or by quirk; each row is still right."""
    knob = make_sb(result_order="shuffled")
    quirk = make_sb(Fault(kind=FaultKind.QUIRK, quirk="shuffled", operation="bulk_*", nth=1))
    places = [f"f{number}" for number in range(10)]
    for sb in (knob, quirk):
        answer = await sb.post("/bulk/storage/imports/create", {"items": sb.imports(*places)})
        seen = [row["resource"]["source"]["location"] for row in answer.json()["items"]]
        assert seen != places
        assert sorted(seen) == places
    ids = [row["resource"]["id"] for row in answer.json()["items"]]
    read = await quirk.post("/bulk/storage/imports/get", {"import_ids": ids})
    assert [row["resource"]["id"] for row in read.json()["items"]] == ids


async def test_a_row_may_fail_for_no_fault_of_its_own(make_sb):
    """503 for one row, which was not done; the rest of the call stands."""
    sb = make_sb(Fault(kind=FaultKind.QUIRK, quirk="row_error", operation="bulk_create_imports", nth=1))
    answer = await sb.post("/bulk/storage/imports/create", {"items": sb.imports("a", "b", "c")})
    assert [row.get("error", {}).get("status") for row in answer.json()["items"]] == [None, 503, None]
    assert sb.truth.made() == {("import", "a"): 1, ("import", "c"): 1}


async def test_an_answer_may_be_stale(make_sb):
    """The statuses of a while ago, once."""
    sb = make_sb(Fault(kind=FaultKind.QUIRK, quirk="stale", operation="get_task", nth=2, seconds=25.0))
    drafted = await sb.draft("s1")
    await sb.run(drafted)
    await sb.clock.advance(30)
    assert [(await sb.task(drafted))["status"] for _ in range(3)] == ["COMPLETED", "QUEUED", "COMPLETED"]
