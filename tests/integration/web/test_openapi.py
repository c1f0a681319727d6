"""`/openapi.json` says what the server does: requests that are made of it get the answers that it promises."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio.from_thread
import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode

EXAMPLES = 12
"""Requests of each kind for each operation."""
_SETTINGS = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)

CONFIG = schemathesis.Config.from_dict(
    {
        "operations": [
            # A queue file may name an account or a job that is not there, or a webhook whose host is not allowed.
            {
                "include-path": "/api/v1/queue",
                "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "422"]}},
            }
        ]
    }
)


@contextmanager
def served(house, **server) -> Iterator[httpx.Client]:
    """The daemon in a thread of its own, and a client that waits for each answer."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(house.open(**server)),
        httpx.Client(base_url=str(house.client.base_url), timeout=60) as client,
    ):
        yield client


def test_requests_made_of_the_description_get_the_answers_that_it_promises(house):
    """Schemathesis: right and wrong requests of every operation, and methods that none has."""
    with served(house) as client:
        client.post("/api/v1/queue", json={"version": 1, "jobs": [house.links("one", "fil.1", "fil.2")]})
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json(), config=CONFIG)
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) == 11
        for operation in operations:
            for mode in GenerationMode:
                _try(operation, mode, str(client.base_url))


def _try(operation, mode, base_url):
    @_SETTINGS
    @given(case=operation.as_strategy(generation_mode=mode))
    def examples(case):
        case.call_and_validate(base_url=base_url)

    examples()
