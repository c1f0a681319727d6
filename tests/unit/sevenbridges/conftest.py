"""A platform that answers by script."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.clock import ManualClock
from orchestrator.platforms.http.calls import Answer, Call
from orchestrator.platforms.sevenbridges.session import Session


class Script:
    """A remote that answers each route with what was laid out for it, in turn; the last answer of a route stays."""

    base_url = "https://cgc-api.sbgenomics.com/v2"

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.lines: defaultdict[str, list[Any]] = defaultdict(list)
        self.closed = False

    def say(self, route: str, *lines: Any) -> None:
        """Bytes, something to be written as JSON, or an error to raise."""
        self.lines[route] += lines

    async def send(self, call: Call) -> Answer:
        self.calls.append(call)
        lines = self.lines[call.route]
        line = lines.pop(0) if len(lines) > 1 else lines[0]
        if isinstance(line, Exception):
            raise line
        body = line if isinstance(line, bytes) else json.dumps(line).encode()
        return Answer(200, {"content-type": "application/json"}, body, None)

    async def aclose(self) -> None:
        self.closed = True

    @property
    def tokens(self) -> list[str]:
        return [call.headers["X-SBG-Auth-Token"] for call in self.calls]


@pytest.fixture
def script() -> Script:
    script = Script()
    script.say("user", {"username": "ana"})
    return script


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def session(script: Script, clock: ManualClock) -> Callable[..., Session]:
    """Builds a session on the script with a secret, or with what reads one."""

    def build(secret: Any = "the-token") -> Session:
        return Session(script, secret, clock)  # type: ignore[arg-type]

    return build
