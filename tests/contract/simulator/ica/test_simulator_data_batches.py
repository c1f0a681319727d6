"""Batches on data: what is checked before anything is done, and what doing the same again does."""

import pytest

BUNDLE = "/api/bundles/22222222-2222-2222-2222-222222222222"
COPY = {"copyUserTags": True, "copyTechnicalTags": True, "copyInstrumentInfo": False, "actionOnExist": "SKIP"}
SAMPLE = {"sampleToCreate": {"name": "s1"}, "completeSample": True}


def items(*data):
    return {"items": [{"dataId": each} for each in data]}


async def post(ica, path, body, **headers):
    where = path if path.startswith("/") else f"/api/projects/{ica.project}/{path}"
    return await ica.client.post(where, json=body, headers={"Content-Type": ica.v3} | headers)


async def ends(ica, path, body):
    """Send it, wait for its end, and return the statuses of its items and what they show of what they made."""
    batch = (await post(ica, path, body)).json()
    await ica.clock.advance(60)
    where = path if path.startswith("/") else f"/api/projects/{ica.project}/{path}"
    rows = (await ica.get(f"{where}/{batch['id']}/items")).json()["items"]
    return [row["processing"]["status"] for row in rows], rows


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("dataCopyBatch", items("fil.1")),
        ("dataCopyBatch", items("fil.1") | COPY | {"actionOnExist": "REPLACE"}),
        ("dataCopyBatch", items("fil.1") | COPY | {"destinationFolderId": "fil.1"}),
        ("dataCopyBatch", items("fil.1") | COPY | {"copyUserTags": "yes"}),
        ("dataMoveBatch", items("fil.1") | {"destinationFolderId": "fol.unknown"}),
        ("dataMoveBatch", {}),
        ("dataUpdateBatch", {"dataUpdateGroups": [{"dataIds": ["fil.1"], "willBeDeletedAt": "tomorrow"}]}),
        ("dataUpdateBatch", {"dataUpdateGroups": [{"dataIds": ["fil.1"] * 100_001}]}),
        ("dataUpdateBatch", items("fil.1")),
        ("sampleCreationBatch", {"items": [{"sampleToCreate": {"name": "s1"}}]}),
        ("sampleCreationBatch", {"items": [{"sampleToCreate": {"name": ""}, "completeSample": True}]}),
        ("sampleCreationBatch", {"items": [SAMPLE | {"dataToLink": [{"dataId": "fil.unknown"}]}]}),
        ("dataUnlinkingBatch", items("fil.bad")),
        (f"{BUNDLE}/dataLinkingBatch", items("nonsense")),
    ],
)
async def test_what_is_not_acceptable_is_refused(ica, path, body):
    """With 400, and nothing is done."""
    assert (await post(ica, path, body)).status_code == 400
    assert ica.simulator.truth.made() == {}


@pytest.mark.parametrize("action", ["SKIP", "OVERWRITE", "RENAME"])
async def test_a_file_copied_again_is_what_was_asked_for_and_a_folder_is_copied_anew(ica, action):
    """Skipped, written over (the same id), or made beside the first; `actionOnExist` is about files only."""
    made = []
    for _ in range(2):
        statuses, rows = await ends(ica, "dataCopyBatch", items("fil.1", "fol.1") | COPY | {"actionOnExist": action})
        assert statuses == ["COPIED", "COPIED"]
        made.append([row["createdProjectData"]["data"]["id"] for row in rows])
    assert (made[0][0] == made[1][0]) is (action != "RENAME")
    assert made[0][1] != made[1][1]
    assert ica.simulator.truth.made() == {("copy", "fil.1"): 1 if action == "SKIP" else 2, ("copy", "fol.1"): 2}


@pytest.mark.parametrize(("knob", "status"), [("failed", "FAILED"), ("moved", "MOVED")])
async def test_a_move_to_where_the_data_is_already(make_ica, knob, status):
    """What ICA says of it is not known: a knob."""
    ica = make_ica(move_again=knob)
    path, body = "dataMoveBatch", items("fil.1") | {"destinationFolderId": "fol.2"}
    for _ in range(2):
        batch = (await post(ica, path, body)).json()["id"]
        await ica.clock.advance(60)
    search = await post(ica, f"{path}/{batch}/items:search", {"status": [status]})
    assert [row["processing"]["status"] for row in search.json()["items"]] == [status]


@pytest.mark.parametrize("place", ["project", "bundle"])
async def test_links_and_their_removal_know_of_each_other(ica, place):
    """The same again has nothing to do; after a removal there is something to link again."""
    base = f"/api/projects/{ica.project}" if place == "project" else BUNDLE
    headers = {"Content-Type": ica.v4, "Accept": ica.v4} if place == "project" else {}
    told = []
    for verb in ("Linking", "Linking", "Unlinking", "Unlinking", "Linking"):
        path = f"{base}/data{verb}Batch"
        given = headers if verb == "Linking" else {}
        batch = (await post(ica, path, items("fil.1"), **given)).json()["id"]
        await ica.clock.advance(60)
        told += [row["processing"]["status"] for row in await ica.items(f"{path}/{batch}", given.get("Accept", ica.v3))]
    assert told == ["LINKED", "ALREADY_LINKED", "UNLINKED", "ALREADY_UNLINKED", "LINKED"]


async def test_an_update_shows_each_datum_with_its_change(make_ica):
    """Or with its id alone, where the knob says so."""
    groups = [
        {"dataIds": ["fil.1", "fil.2"], "userTags": {"addTags": ["a"]}, "willBeDeletedAt": "2031-01-01T00:00:00Z"}
    ]
    shown = []
    for echo in ("full", "ids"):
        _, rows = await ends(make_ica(echo=echo), "dataUpdateBatch", {"dataUpdateGroups": groups})
        shown.append(rows[1]["request"])
    tags = {"addTags": ["a"], "removeTags": []}
    assert shown == [
        {"dataId": "fil.2", "userTags": tags, "willBeDeletedAt": "2031-01-01T00:00:00Z"},
        {"dataId": "fil.2"},
    ]


async def test_a_sample_that_is_stopped_or_fails_is_not_there(ica):
    """It is found by its technical tags once it was made, in part or as a whole."""
    asked = [
        {"sampleToCreate": {"name": name, "tags": {"technicalTags": ["t"]}}, "completeSample": True}
        for name in ("s1", "s2-abort", "s3-fail", "s4-partial")
    ]
    statuses, _ = await ends(ica, "sampleCreationBatch", {"items": asked})
    assert statuses == ["SUCCEEDED", "STOPPED", "FAILED", "PARTIALLY_SUCCEEDED"]
    lists = {f"{name}Conditions": [] for name in ("date", "number", "boolean")} | {"conditions": []}
    found = await post(ica, "samples:search", lists | {"techTags": ["t"], "techTagMatchMode": "EXACT"})
    assert [row["sample"]["name"] for row in found.json()["items"]] == ["s1", "s4-partial"]


async def test_a_second_sample_of_one_name_may_be_refused(make_ica):
    """Whether names are unique is not known: a knob."""
    ica = make_ica(sample_names="unique")
    told = [(await ends(ica, "sampleCreationBatch", {"items": [SAMPLE]}))[0] for _ in range(2)]
    assert told == [["SUCCEEDED"], ["FAILED"]]
