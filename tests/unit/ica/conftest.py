"""Batches, items and a platform that answers by script."""

import base64
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from stages import Stage

from orchestrator.clock import ManualClock
from orchestrator.domain.identity import batch_key
from orchestrator.domain.model import (
    Batch,
    BatchId,
    BatchState,
    Item,
    ItemState,
    JobId,
)
from orchestrator.platforms.http.calls import Answer, Call
from orchestrator.platforms.ica.platform import Ica

PROJECT = "11111111-1111-1111-1111-111111111111"


class Script:
    """A remote that answers each route with what was laid out for it, in turn; the last answer of a route stays."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.lines: defaultdict[str, list[Any]] = defaultdict(list)
        self.closed = False
        self.base_url = "https://ica.example.org/ica/rest"

    def say(self, route: str, *lines: Any) -> None:
        """Bytes, something to be written as JSON, an error to raise, or a function of the call that gives one."""
        self.lines[route] += lines

    async def send(self, call: Call) -> Answer:
        self.calls.append(call)
        lines = self.lines[call.route]
        line = lines.pop(0) if len(lines) > 1 else lines[0]
        if callable(line):
            line = line(call)
        if isinstance(line, Exception):
            raise line
        body = line if isinstance(line, bytes) else json.dumps(line).encode()
        return Answer(200, {"content-type": "application/json"}, body, None)

    async def aclose(self) -> None:
        self.closed = True

    def routes(self) -> list[str]:
        """What was asked, without the tokens."""
        return [call.route for call in self.calls if call.route != "tokens"]

    def last(self) -> Call:
        return self.calls[-1]


@pytest.fixture
def token() -> Callable[..., dict[str, str]]:
    """Builds the answer to a token request, with the claims given."""

    def build(**claims: Any) -> dict[str, str]:
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        return {"token": f"e30.{payload}.sig"}

    return build


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def script(token: Callable[..., dict[str, str]]) -> Script:
    script = Script()
    script.say("tokens", token(sub="user-1", iat=1000, exp=1000 + 3600))
    return script


@pytest.fixture
def ica(script: Script, clock: ManualClock) -> Callable[..., Ica]:
    """Builds an account on the script."""

    def build(**changes: Any) -> Ica:
        options = {
            "remote": script,
            "api_key": "the-key",
            "account": "ica",
            "instance": "here",
            "page_size": 1000,
            "strategy": "auto",
            "memory": {},
            "clock": clock,
        }
        return Ica(**(options | changes))

    return build


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """Builds a batch that is being tracked."""
    sample = Batch(
        id=BatchId("b1"),
        job=JobId("j1"),
        job_name="run-1",
        account="ica",
        project=PROJECT,
        kind="ica.analysis_creation",
        engine="nextflow",
        number=1,
        lineage="1",
        attempt=0,
        key=batch_key("here", "run-1", "1", 0),
        state=BatchState.TRACKING,
        items=10,
        open=10,
        creating=10,
        remote_id="remote-1",
        status=None,
        status_final=False,
        detail=None,
        sends=1,
        first_sent_at=None,
        sent_at=None,
        submitted_at=None,
        settled_at=None,
        user=None,
        searched_at=None,
    )

    def build(number: int = 1, **changes: Any) -> Batch:
        named = replace(
            sample,
            id=BatchId(f"b{number}"),
            number=number,
            lineage=str(number),
            key=batch_key("here", "run-1", str(number), 0),
            remote_id=f"remote-{number}",
        )
        return replace(named, **changes)

    return build


@pytest.fixture
def item() -> Callable[..., Item]:
    """Builds an item whose analysis is known."""

    def build(seq: int = 1, **changes: Any) -> Item:
        made = Item(
            job=JobId("j1"),
            seq=seq,
            key=f"run/s{seq}",
            batch=1,
            stage=Stage.ANALYSIS,
            state=ItemState.RUNNING,
            status="IN_PROGRESS",
            remote_id=f"a{seq}",
            detail=None,
        )
        return replace(made, **changes)

    return build


@pytest.fixture
def tags() -> Callable[..., dict[str, list[str]]]:
    """Builds the tags of an analysis, as ICA sends them."""

    def build(key: str, seq: int | None, instance: str = "here", extra: tuple[str, ...] = ()) -> dict[str, list[str]]:
        ours = [f"orc-instance={instance}", f"orc-batch={key}"] + ([f"orc-item={seq}"] if seq is not None else [])
        return {"technicalTags": [*extra, *ours], "userTags": [], "referenceTags": []}

    return build


@pytest.fixture
def analysis(tags: Callable[..., dict[str, list[str]]]) -> Callable[..., dict[str, Any]]:
    """Builds an analysis, as ICA sends it."""

    def build(key: str, seq: int, status: str, instance: str = "here", **changes: Any) -> dict[str, Any]:
        return {
            "id": f"a{seq}",
            "status": status,
            "userReference": f"run/s{seq}",
            "tags": tags(key, seq, instance),
            "pipeline": {"id": "p", "code": "unread"},
        } | changes

    return build


@pytest.fixture
def creation_row(tags: Callable[..., dict[str, list[str]]]) -> Callable[..., dict[str, Any]]:
    """Builds an item of a creation batch, as ICA sends it."""

    def build(key: str, seq: int, status: str, created: Any = None, **processing: Any) -> dict[str, Any]:
        return {
            "id": f"i{seq}",
            "request": {"userReference": f"run/s{seq}", "pipelineId": "p", "tags": tags(key, seq)},
            "processing": {"status": status} | processing,
            "createdAnalysis": created,
        }

    return build
