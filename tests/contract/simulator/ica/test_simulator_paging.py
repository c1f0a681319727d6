"""Cursors and offsets."""

import pytest

from orchestrator.simulator import Fault, FaultKind


async def _batch(ica, count):
    names = [f"s{number}" for number in range(count)]
    return f"{ica.creations}/{(await ica.create(*names)).json()['id']}", names


async def _sweep(ica, path, size, **query):
    pages, token = [], None
    while True:
        answer = await ica.get(path, ica.v4, pageSize=size, **({"pageToken": token} if token else {}), **query)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        token = pages[-1].get("nextPageToken")
        if not token:
            return pages


def _names(pages):
    return [row["request"]["userReference"] for page in pages for row in page["items"]]


@pytest.mark.parametrize("order", ["stable", "shuffled"])
async def test_a_cursor_is_complete_and_unique(make_ica, order):
    """Each item comes exactly once, in any order of pages, and remainingRecords counts down."""
    ica = make_ica(page_order=order)
    batch, names = await _batch(ica, 25)
    pages = await _sweep(ica, f"{batch}/items", 10)
    assert sorted(_names(pages)) == sorted(names)
    assert [page["remainingRecords"] for page in pages] == [15, 5, 0]
    assert (_names(pages) == names) is (order == "stable")


async def test_the_same_page_can_be_asked_again(ica):
    """A page whose answer was lost is not lost: its token stays good."""
    batch, _ = await _batch(ica, 5)
    token = (await ica.get(f"{batch}/items", ica.v4, pageSize=2)).json()["nextPageToken"]
    answers = [await ica.get(f"{batch}/items", ica.v4, pageSize=2, pageToken=token) for _ in range(2)]
    assert answers[0].json()["items"] == answers[1].json()["items"]
    assert [row["request"]["userReference"] for row in answers[0].json()["items"]] == ["s2", "s3"]


async def test_a_token_expires(make_ica):
    """Just before cursor_seconds it works, from then on it is 400."""
    ica = make_ica(cursor_seconds=60.0)
    batch, _ = await _batch(ica, 5)
    token = (await ica.get(f"{batch}/items", ica.v4, pageSize=2)).json()["nextPageToken"]
    await ica.clock.advance(59)
    answer = await ica.get(f"{batch}/items", ica.v4, pageSize=2, pageToken=token)
    await ica.clock.advance(61)
    late = await ica.get(f"{batch}/items", ica.v4, pageSize=2, pageToken=answer.json()["nextPageToken"])
    assert (answer.status_code, late.status_code) == (200, 400)


async def test_a_token_is_good_for_its_own_listing_only(ica):
    """Another batch, another filter or nonsense is 400."""
    (one, _), (two, _) = await _batch(ica, 5), await _batch(ica, 5)
    token = (await ica.get(f"{one}/items", ica.v4, pageSize=2)).json()["nextPageToken"]
    answers = [
        await ica.get(f"{two}/items", ica.v4, pageToken=token),
        await ica.get(f"{one}/items", ica.v4, pageToken=token, status="FAILED"),
        await ica.get(f"{one}/items", ica.v4, pageToken="nonsense"),
        await ica.get(f"{one}/items", ica.v4, pageToken=token, pageOffset=0),
    ]
    assert [answer.status_code for answer in answers] == [400] * 4


async def test_offset_paging_counts_everything(ica):
    """A pageOffset brings totalItemCount and an empty token; beyond the end there is nothing."""
    batch, names = await _batch(ica, 5)
    pages = [(await ica.get(f"{batch}/items", ica.v4, pageSize=2, pageOffset=at)).json() for at in (0, 2, 4, 6)]
    assert _names(pages) == names
    assert {(page["totalItemCount"], page["nextPageToken"]) for page in pages} == {(5, "")}


@pytest.mark.parametrize(
    "query", [{"pageSize": 1001}, {"pageSize": 0}, {"pageSize": "ten"}, {"pageOffset": -1}, {"pageOffset": 200_001}]
)
async def test_sizes_out_of_range_are_refused(ica, query):
    """At most 1000 rows a page, at most 200,000 rows by offset."""
    assert (await ica.get("/api/jobs", **query)).status_code == 400


async def test_a_page_has_ten_rows_unless_told(ica):
    """The default of ICA's first version."""
    batch, _ = await _batch(ica, 11)
    assert len((await ica.get(f"{batch}/items", ica.v4)).json()["items"]) == 10


@pytest.mark.parametrize(("knob", "expected"), [("empty", ""), ("null", None), ("absent", ...)])
async def test_the_end_of_a_cursor_may_look_three_ways(make_ica, knob, expected):
    """An empty token, null, or none: nobody knows which."""
    ica = make_ica(last_page=knob)
    batch, _ = await _batch(ica, 1)
    assert (await ica.get(f"{batch}/items", ica.v4)).json().get("nextPageToken", ...) == expected


async def test_items_are_filtered_by_status(ica):
    """`status` may be repeated, and filters by the words of the version asked for."""
    batch = f"{ica.links}/{(await ica.link('fil.1', 'fil.fail', 'fil.partial')).json()['id']}"
    await ica.clock.advance(10)
    found = {
        (accept, tuple(statuses)): [row["request"]["dataId"] for row in await ica.items(batch, accept, status=statuses)]
        for accept in (ica.v4, ica.v3)
        for statuses in (["FAILED"], ["LINKED", "PARTIALLY_LINKED"])
    }
    assert found == {
        (ica.v4, ("FAILED",)): ["fil.fail"],
        (ica.v4, ("LINKED", "PARTIALLY_LINKED")): ["fil.1", "fil.partial"],
        (ica.v3, ("FAILED",)): ["fil.fail", "fil.partial"],
        (ica.v3, ("LINKED", "PARTIALLY_LINKED")): ["fil.1"],
    }


async def test_jobs_are_filtered_and_sorted(ica):
    """By status, and by creation in both directions; an unknown field is 400."""
    ids = []
    for _ in range(3):
        ids.append((await ica.create("a")).json()["job"]["id"])
        await ica.clock.advance(10)
    ids.append((await ica.link("fil.stuck")).json()["job"]["id"])
    newest = (await ica.get("/api/jobs", sort="timeCreated desc")).json()
    oldest = (await ica.get("/api/jobs", sort="timeCreated asc,timeStarted")).json()
    ended = (await ica.get("/api/jobs", status=["SUCCEEDED", "FAILED"])).json()
    assert [job["id"] for job in newest["items"]] == ids[::-1]
    assert [job["id"] for job in oldest["items"]] == ids
    assert [job["id"] for job in ended["items"]] == ids[:3]
    assert (await ica.get("/api/jobs", sort="owner")).status_code == 400


@pytest.mark.parametrize(
    ("quirk", "seen"),
    [
        ("item_vanishes", ["s0", "s2", "s3", "s4", "s5"]),
        ("item_twice", ["s0", "s1", "s2", "s2", "s3", "s4", "s5"]),
    ],
)
async def test_pages_may_lose_or_repeat_a_row(make_ica, quirk, seen):
    """For one call only: the next sweep is right again."""
    ica = make_ica(Fault(kind=FaultKind.QUIRK, quirk=quirk, operation="getAnalysisCreationBatchItems", nth=1))
    batch, names = await _batch(ica, 6)
    assert _names(await _sweep(ica, f"{batch}/items", 2)) == seen
    assert _names(await _sweep(ica, f"{batch}/items", 2)) == names


async def test_an_item_may_never_be_listed(make_ica):
    """By its name, or by a fault for one item of a batch; its analysis exists all the same, and GET shows the item."""
    ica = make_ica(Fault(kind=FaultKind.QUIRK, quirk="item_unlisted", operation="create*", nth=2))
    named, struck = (await ica.create("a", "b-never")).json()["id"], (await ica.create("c", "d")).json()["id"]
    assert [row["request"]["userReference"] for row in await ica.items(f"{ica.creations}/{named}")] == ["a"]
    assert len(await ica.items(f"{ica.creations}/{struck}")) == 1
    assert len(ica.simulator.truth.analyses()) == 4
