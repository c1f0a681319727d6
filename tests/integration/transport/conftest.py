"""A platform that a test plays, and calls to send to it."""

from random import Random

import anyio
import httpx
import pytest

from orchestrator.clock import ManualClock
from orchestrator.domain.errors import PlatformError
from orchestrator.platforms.http.responses import unclassified
from orchestrator.platforms.http.transport import Call, Effect, Remote
from orchestrator.platforms.rate_limit.limiter import Lane, Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots

TOKEN = "eyJhbGciOi.very-secret.signature"  # no credential of anybody


class Platform:
    """Answers each request with the next of its answers, the last one forever; an exception is a broken network."""

    def __init__(self, *answers, requests=100, per=300.0, max_body=10_000, classify=unclassified):
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.exchanges = []
        self.clock = ManualClock()
        self.budget = RateLimiter(Limit(requests, per), self.clock, MemorySlots(), Random(1))
        self.remote = Remote(
            "https://ica.example.org/ica/rest/",
            self.budget,
            self.clock,
            random=Random(2),
            transport=httpx.MockTransport(self.answer),
            observer=self.exchanges.append,
            max_body=max_body,
            classify=classify,
        )

    async def answer(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = await answer()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def send(self, call, *, patience=120.0):
        """Send a call, letting as much time pass as it wants to wait."""
        outcome = []

        async def sending():
            try:
                outcome.append(await self.remote.send(call))
            except PlatformError as error:
                outcome.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(sending)
            await self.clock.advance(patience)
            group.cancel_scope.cancel()
        return outcome[0]


def call(effect=Effect.SAFE, **changes):
    """A call with a credential in its headers."""
    values = {
        "method": "POST" if effect is Effect.UNSAFE else "GET",
        "path": "/api/projects/p1/analyses/a1",
        "lane": Lane.SUBMIT if effect is Effect.UNSAFE else Lane.POLL,
        "route": "analyses",
        "headers": {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"},
        "effect": effect,
    }
    return Call(**values | changes)


@pytest.fixture
def play():
    """Plays a platform that gives these answers."""
    return Platform


@pytest.fixture(name="call")
def _call():
    """The function: a call, safe unless told otherwise, with whatever fields the test changes."""
    return call


@pytest.fixture
def token():
    """The credential in its headers."""
    return TOKEN
