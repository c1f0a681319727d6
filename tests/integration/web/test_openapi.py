"""`/openapi.json` says what the server does: requests that are made of it get the answers that it promises."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio.from_thread
import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from waiting import PATIENCE

_SETTINGS = settings(
    max_examples=8,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
# A queue file may name an account or a job that is not there, and a form must have file names: no schema can say so.
_QUEUE = {
    "include-path": "/api/v1/queue",
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "422"]}},
}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
TOKEN = {"token_file": "secrets/token"}


@contextmanager
def served(house, **server) -> Iterator[httpx.Client]:
    """The daemon in a thread of its own, and a client that waits for each answer."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(house.open(**server)),
        httpx.Client(base_url=str(house.client.base_url), timeout=PATIENCE) as client,
    ):
        if server:
            client.headers["Authorization"] = f"Bearer {house.token}"
        yield client


@pytest.mark.parametrize("server", [{}, TOKEN], ids=["open", "token"])
def test_requests_made_of_the_description_get_the_answers_that_it_promises(house, server):
    """Schemathesis: right and wrong requests of every operation, with every check that it has for single requests."""
    with served(house, **server) as client:
        assert client.post("/api/v1/queue", json={"version": 1, "jobs": [house.links("one")]}).status_code == 201
        config = schemathesis.Config.from_dict({"operations": [_QUEUE]})
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json(), config=config)
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) == 11
        for operation in operations:
            takes_anything = not (operation.query or operation.body)
            for mode in (GenerationMode.POSITIVE,) if takes_anything else GenerationMode:
                _try(operation, mode, str(client.base_url), dict(client.headers) if server else {})


def _try(operation, mode, base_url, headers):
    own = {name: value for name, value in headers.items() if name == "authorization"}

    @_SETTINGS
    @given(case=operation.as_strategy(generation_mode=mode))
    def examples(case):
        case.call_and_validate(base_url=base_url, headers=own, timeout=PATIENCE)

    examples()


def test_methods_that_a_path_does_not_take_answer_405(house):
    """Whatever their content type; the answer names those that it takes."""
    with served(house) as client:
        described = client.get("/openapi.json").json()["paths"]
        for path, operations in described.items():
            for method in _METHODS - {name.upper() for name in operations}:
                answer = client.request(method, path.replace("{name}", "one"))
                assert answer.status_code == 405, (method, path)
                assert {name.upper() for name in operations} <= set(answer.headers["allow"].split(", ")), path
        assert client.post("/api/v1/queue").status_code == 415
        assert client.post("/api/v1/nothing").status_code == 404


def test_a_token_is_declared_where_it_is_asked_for(house):
    """Nowhere without a configured token; with one, reads of this machine need none, and nothing asks the probes."""
    with served(house) as client:
        described = client.get("/openapi.json").json()
        assert "securitySchemes" not in described["components"]
        assert all(each["security"] == [] for path in described["paths"].values() for each in path.values())
        assert "multipart/form-data" not in described["paths"]["/api/v1/queue"]["post"]["requestBody"]["content"]
    with served(house, **TOKEN) as client:
        paths = client.get("/openapi.json").json()["paths"]
        assert paths["/livez"]["get"]["security"] == []
        assert paths["/api/v1/jobs"]["get"]["security"] == [{}, {"token": []}]
        assert paths["/api/v1/queue"]["post"]["security"] == [{"token": []}]


def test_the_body_of_a_queue_file_is_described(house):
    """An empty object is none; a file that the server takes is one."""
    with served(house) as client:
        document = client.get("/openapi.json").json()
        content = document["paths"]["/api/v1/queue"]["post"]["requestBody"]["content"]
        check = jsonschema.Draft202012Validator(document | content["application/json"]["schema"]).is_valid
        wrong = [{}, {"version": 1}, {"version": 1, "jobs": []}, {"version": 1, "jobs": [{}]}, [], {"version": 2}]
        assert [check(each) for each in wrong] == [False] * len(wrong)
        assert check({"version": 1, "jobs": [house.links("one")]})
        assert check({"version": 1, "controls": [{"cancel": "one"}]})
