"""What nobody knows of ICA can be set either way."""

import pytest

from orchestrator.simulator import Fault, FaultKind


async def _embedded(ica, batch):
    return (await ica.items(batch))[0]["createdAnalysis"]["status"]


@pytest.mark.parametrize(
    ("knobs", "early", "late"),
    [
        ({"embedded": "live"}, "IN_PROGRESS", "SUCCEEDED"),
        ({"embedded": "snapshot"}, "REQUESTED", "REQUESTED"),
        ({"embedded": "lagging", "embedded_lag": 18.0}, "REQUESTED", "IN_PROGRESS"),
    ],
)
async def test_the_embedded_analysis_may_be_live_frozen_or_late(make_ica, knobs, early, late):
    """Whatever the item page shows, GET tells the truth."""
    ica = make_ica(**knobs)
    batch = f"{ica.creations}/{(await ica.create('a')).json()['id']}"
    await ica.clock.advance(20)
    row = (await ica.items(batch))[0]["createdAnalysis"]
    assert row["status"] == early
    assert (await ica.get(f"{ica.analyses}/{row['id']}", ica.v4)).json()["status"] == "IN_PROGRESS"
    await ica.clock.advance(13)
    assert await _embedded(ica, batch) == late


async def test_a_search_may_lag(make_ica):
    """An analysis is found, and its statuses are told, `search_lag` seconds late."""
    ica = make_ica(search_lag=10.0)
    await ica.create("a")
    await ica.clock.advance(11.9)
    assert await ica.found({}) == []
    await ica.clock.advance(0.2)
    assert await ica.found({"status": ["REQUESTED"]}) == ["a"]
    await ica.clock.advance(25)
    assert ica.simulator.truth.by_reference() == {"a": ["SUCCEEDED"]}
    assert await ica.found({"status": ["SUCCEEDED"]}) == []
    assert await ica.found({"status": ["IN_PROGRESS"]}) == ["a"]


@pytest.mark.parametrize(
    ("tag_filter", "asked", "expected"),
    [
        ("all", ["run=1", "n=1"], ["a"]),
        ("all", ["run=1"], ["a", "b"]),
        ("all", ["run"], []),
        ("any", ["n=1", "n=3"], ["a", "c"]),
        ("any", ["run"], []),
        ("prefix", ["run="], ["a", "b", "c"]),
        ("prefix", ["run=1"], ["a", "b", "c"]),
        ("prefix", ["n=2"], ["b"]),
    ],
)
async def test_tags_may_be_matched_in_three_ways(make_ica, tag_filter, asked, expected):
    """All of them, any of them, or any that begins so."""
    ica = make_ica(tag_filter=tag_filter)
    tags = {"a": ("run=1", "n=1"), "b": ("run=1", "n=2"), "c": ("run=10", "n=3"), "d": ()}
    await ica.create(items=[ica.analysis(name, *own) for name, own in tags.items()])
    await ica.clock.advance(3)
    assert await ica.found({"technicalTags": asked}) == expected


async def test_a_search_combines_its_filters(ica):
    """Tags of all kinds, userReference, reference and statuses all have to fit."""
    items = [ica.analysis("a", "t", tags={"technicalTags": ["t"], "userTags": ["u"]}), ica.analysis("b", "t")]
    await ica.create(items=items)
    await ica.clock.advance(3)
    reference = (await ica.search({"userReference": "a"})).json()["items"][0]["reference"]
    found = [
        await ica.found({"technicalTags": ["t"]}),
        await ica.found({"technicalTags": ["t"], "userTags": ["u"]}),
        await ica.found({"userReference": "b", "technicalTags": ["t"]}),
        await ica.found({"reference": reference}),
        await ica.found({"userReference": "a", "status": ["SUCCEEDED"]}),
        await ica.found({"status": ["REQUESTED", "QUEUED", "INITIALIZING"], "userTags": None}),
        await ica.found({"referenceTags": ["none"]}),
    ]
    assert found == [["a", "b"], ["a"], ["b"], ["a"], [], ["a", "b"], []]


async def test_a_search_sorts(ica):
    """By dates, names and statuses, in both directions, with offset paging."""
    await ica.create("b", "c-slow", "a-fail")
    await ica.clock.advance(60)
    assert await ica.found({}, sort="userReference desc") == ["c-slow", "b", "a-fail"]
    assert (await ica.found({}, sort="endDate desc, userReference"))[:2] == ["a-fail", "b"]
    page = (await ica.search({}, sort="startDate", pageSize=1, pageOffset=1)).json()
    assert (len(page["items"]), page["totalItemCount"], page["nextPageToken"]) == (1, 3, "")
    assert (await ica.search({}, sort="owner")).status_code == 400


async def test_what_ends_during_a_search_leaves_it(ica):
    """A later page of a cursor shows only what still matches: the daemon must not take absence for loss."""
    await ica.create("a", "b", "c-slow")
    await ica.clock.advance(25)
    running = {"status": ["IN_PROGRESS", "QUEUED", "REQUESTED", "RUNNING"]}
    first = (await ica.search(running, pageSize=1)).json()
    await ica.clock.advance(20)
    assert [row["userReference"] for row in first["items"]] == ["a"]
    second = (await ica.search(running, pageSize=1, pageToken=first["nextPageToken"])).json()
    assert second["items"] == []


async def test_creating_calls_may_answer_without_a_job(make_ica):
    """`job: null` by knob for all, or by fault for one call."""
    always, once = (
        make_ica(job_null=True),
        make_ica(Fault(kind=FaultKind.QUIRK, quirk="job_null", operation="create*", nth=1)),
    )
    assert [(await always.create("a")).json()["job"] for _ in range(2)] == [None, None]
    assert [(await once.link("fil.1")).json()["job"] is None for _ in range(2)] == [True, False]


async def test_empty_lists_may_be_null(make_ica):
    """Tags without entries and pages without rows."""
    ica = make_ica(null_lists=True)
    assert (await ica.get("/api/jobs")).json()["items"] is None
    batch = f"{ica.creations}/{(await ica.create('a')).json()['id']}"
    assert (await ica.items(batch))[0]["request"]["tags"]["userTags"] is None


async def test_statuses_may_go_backwards_once(make_ica):
    """A stale answer tells of the past; the next one is right again."""
    ica = make_ica(
        Fault(kind=FaultKind.QUIRK, quirk="stale", operation="getAnalysisCreationBatchItems", nth=2, seconds=16)
    )
    batch = f"{ica.creations}/{(await ica.create('a')).json()['id']}"
    await ica.clock.advance(20)
    assert [await _embedded(ica, batch) for _ in range(3)] == ["IN_PROGRESS", "QUEUED", "IN_PROGRESS"]


async def test_a_hundred_thousand_analyses_are_no_burden(ica):
    """Live ones are found through an index: the candidates of a search are as few as the analyses that still run."""
    from orchestrator.simulator.ica.protocol.bodies import Search

    for number in range(5):
        await ica.create(*(f"s{number}-{each}" for each in range(200)))
    await ica.create("x-stuck")
    await ica.clock.advance(100)
    index, search = ica.simulator._world.analyses, Search(status=["IN_PROGRESS"])
    candidates = index.candidates(ica.project, search, "all", ica.clock.monotonic())
    assert [row.user_reference for row in candidates] == ["x-stuck"]
