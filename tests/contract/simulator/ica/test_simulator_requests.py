"""What the simulator accepts: credentials, media types, bodies."""

import base64

import httpx
import msgspec
import pytest

_JSON = "application/json"


async def _token(ica, **headers):
    return await ica.client.post("/api/tokens", headers=headers)


async def test_a_token_stands_for_its_api_key(ica):
    """POST tokens gives a JWT with user and expiry; as a Bearer it is accepted until then, and 401 from then on."""
    token = (await _token(ica)).json()["token"]
    payload = token.split(".")[1]
    claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["exp"] == ica.clock.now() / 1e6 + ica.simulator.knobs.token_seconds
    del ica.client.headers["X-API-Key"]
    ica.client.headers["Authorization"] = f"Bearer {token}"
    assert (await ica.get("/api/system/info")).status_code == 200
    await ica.clock.advance(ica.simulator.knobs.token_seconds)
    answer = await ica.get("/api/system/info")
    assert (answer.status_code, answer.json()["title"]) == (401, "ICA_SEC_002")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic dXNlcjp3cm9uZw=="},
    ],
)
async def test_a_wrong_credential_is_unauthorised(ica, headers):
    """401 for the API and for POST tokens alike."""
    answers = [
        await ica.client.get("/api/jobs", headers=headers),
        await ica.client.post("/api/tokens", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [401, 401]


async def test_only_the_token_of_a_login_can_be_refreshed(ica):
    """tokens:refresh extends a token made with e-mail and password, and refuses one made from an API key."""
    login = base64.b64encode(b"user@example.org:simulator").decode()
    tokens = [(await _token(ica)).json()["token"], (await _token(ica, Authorization=f"Basic {login}")).json()["token"]]
    answers = [
        await ica.client.post("/api/tokens:refresh", headers={"Authorization": f"Bearer {token}"}) for token in tokens
    ]
    assert [answer.status_code for answer in answers] == [400, 200]


@pytest.mark.parametrize("accept", ["", "*/*", _JSON, "application/vnd.illumina.v2+json"])
async def test_accept_must_name_an_exact_version(ica, accept):
    """Anything else is 400 ICA_API_004 as a problem document."""
    answer = await ica.get("/api/jobs", accept)
    assert (answer.status_code, answer.json()["title"]) == (400, "ICA_API_004")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_each_endpoint_has_its_own_versions(ica):
    """Batches are V3 only, items V4 and V3, jobs V3 only; the answer carries the type that was asked for."""
    batch = f"{ica.creations}/{(await ica.create('a')).json()['id']}"
    statuses = {}
    for path in ("/api/jobs", batch, f"{batch}/items"):
        answers = [await ica.get(path, accept) for accept in (ica.v3, ica.v4)]
        statuses[path] = [answer.status_code for answer in answers]
        assert answers[0].headers["content-type"] == ica.v3
    assert statuses == {"/api/jobs": [200, 400], batch: [200, 400], f"{batch}/items": [200, 200]}


@pytest.mark.parametrize(
    ("content_type", "accept", "status"),
    [
        ("v4", "v4", 201),
        ("v3", "v3", 201),
        (_JSON, "v4", 201),
        (_JSON, "v3", 201),
        ("v4", "v3", 400),
        ("v3", "v4", 400),
        ("text/plain", "v4", 400),
    ],
)
async def test_linking_wants_matching_versions(ica, content_type, accept, status):
    """Content-Type and Accept must agree where an endpoint has two versions; plain JSON goes with either."""
    types = {"v3": ica.v3, "v4": ica.v4}
    headers = {"Content-Type": types.get(content_type, content_type), "Accept": types[accept]}
    answer = await ica.client.post(ica.links, content=b'{"items":[{"dataId":"fil.1"}]}', headers=headers)
    assert answer.status_code == status, answer.text


async def test_creating_analyses_takes_version_3_only(ica):
    """Neither V4 nor plain JSON will do as Content-Type."""
    for content_type in (ica.v4, _JSON):
        answer = await ica.client.post(ica.creations, content=b"{}", headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json()["title"]) == (400, "ICA_API_004")


async def test_an_unknown_path_is_a_problem(ica):
    """404 as a problem document, for paths, ids and another project's things alike."""
    batch = (await ica.create("a")).json()["id"]
    other = ica.creations.replace("1111", "2222")
    for path in ("/api/nothing", "/api/jobs/nothing", f"{ica.links}/{batch}", f"{other}/{batch}"):
        answer = await ica.get(path)
        assert (answer.status_code, answer.json()["status"]) == (404, 404), path


@pytest.mark.parametrize(
    "fields",
    [
        {"userReference": "with.dot"},
        {"userReference": ""},
        {"userReference": "x" * 256},
        {"userReference": "a//b"},
        {"userReference": "s1-bad"},
        {"userReference": None},
        {"pipelineId": "no-uuid"},
        {"pipelineId": "00000000-0000-0000-0000-000000000000"},
        {"analysisInput": None},
        {"analysisInput": {"inputs": [{"parameterCode": "reads", "dataIds": ["fil.unknown1"]}]}},
        {"analysisInput": {"inputs": [{"dataIds": ["fil.1"]}]}},
        {"analysisStorageId": "no-uuid"},
    ],
)
async def test_one_bad_item_refuses_the_post_or_fails_alone(make_ica, fields):
    """The knob decides: 400 with a reason and no effect at all, or a failed item beside a good one."""
    strict, lenient = make_ica(), make_ica(bad_item="fail_item")
    answers = [
        await ica.create(items=[ica.analysis("good"), ica.analysis("other", **fields)]) for ica in (strict, lenient)
    ]
    assert [answer.status_code for answer in answers] == [400, 201]
    assert "Item 1" in answers[0].json()["detail"]
    assert strict.simulator.truth.analyses() == {}
    await lenient.clock.advance(3)
    rows = await lenient.items(f"{lenient.creations}/{answers[1].json()['id']}")
    assert [row["processing"]["status"] for row in rows] == ["SUCCEEDED", "FAILED"]
    assert rows[1]["processing"]["additionalStatusInformation"]
    assert len(lenient.simulator.truth.analyses()) == 1


async def test_all_forms_of_analyses_are_created(ica):
    """CWL with JSON or structured input, Nextflow, and Nextflow with a form, side by side in one batch."""
    common = {"pipelineId": ica.pipeline, "tags": None}
    data = [{"dataId": "fol.1", "mountPath": "in"}]
    body = {
        "nextflowItems": [ica.analysis("nf")],
        "cwlItems": [
            {
                **common,
                "userReference": "j",
                "analysisInput": {"objectType": "JSON", "inputJson": "{}", "mounts": data},
            },
            {**common, "userReference": "s", "analysisInput": {"objectType": "STRUCTURED", "inputs": []}},
        ],
        "nextflowJsonItems": [
            {
                **common,
                "userReference": "form",
                "inputFormValues": {
                    "fields": [{"id": "reads", "dataValues": data}],
                    "groups": [{"id": "g", "values": [{"values": [{"id": "x", "values": ["1"]}]}]}],
                },
            }
        ],
    }
    answer = await ica.client.post(ica.creations, json=body, headers={"Content-Type": ica.v3})
    assert answer.status_code == 201, answer.text
    assert sorted(ica.simulator.truth.by_reference()) == ["form", "j", "nf", "s"]


@pytest.mark.parametrize("data_id", ["fil.bad0001", "fil.unknown", "nonsense", 7])
async def test_bad_links_refuse_the_post_or_fail_alone(make_ica, data_id):
    """As with analyses."""
    strict, lenient = make_ica(), make_ica(bad_item="fail_item")
    answers = [await ica.link("fil.1", data_id) for ica in (strict, lenient)]
    assert [answer.status_code for answer in answers] == [400, 201]
    await lenient.clock.advance(6)
    rows = await lenient.items(f"{lenient.links}/{answers[1].json()['id']}")
    assert [row["processing"]["status"] for row in rows] == ["LINKED", "FAILED"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"items":{}}'])
async def test_a_broken_body_is_refused(ica, body):
    """400, as a problem."""
    answer = await ica.client.post(ica.links, content=body, headers={"Content-Type": ica.v4, "Accept": ica.v4})
    assert answer.status_code == 400


async def test_answers_are_compressed_on_request(ica):
    """In gzip when Accept-Encoding names it, plain otherwise; the content is the same."""
    await ica.create("a")
    await ica.clock.advance(3)
    plain = await ica.client.get("/api/jobs", headers={"Accept-Encoding": "identity"})
    packed = await ica.client.get("/api/jobs", headers={"Accept-Encoding": "gzip"})
    assert ("content-encoding" in plain.headers, packed.headers["content-encoding"]) == (False, "gzip")
    assert packed.json() == plain.json()


async def test_the_date_is_the_clocks(ica):
    """Every answer carries the platform's Date, so that clock skew can be simulated."""
    ica.clock.step_wall(-1_000_000_000)
    answer: httpx.Response = await ica.get("/api/system/info")
    assert "1992" in answer.headers["date"]
