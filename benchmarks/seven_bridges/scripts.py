"""Scripts as people write them with sevenbridges-python: its code runs unchanged, in virtual time.

It is synchronous. Each of a script's threads is a greenlet here: its requests go to the simulated platform of the same
event loop, and its `time` is the virtual clock.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import anyio
import httpx
import requests
import sevenbridges
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from sevenbridges.http import error_handlers
from sevenbridges.models import task as task_model
from sqlalchemy.util.concurrency import await_only, greenlet_spawn

from benchmarks.seven_bridges.network import APP, BASE_URL, PROJECT, Network
from benchmarks.virtual import LoopClock
from orchestrator.clock import SECOND

FINAL: Final = frozenset({"COMPLETED", "FAILED", "ABORTED"})
PERIOD: Final = 15.0
"""Seconds that the bulk loop sleeps after each sweep."""
_BULK: Final = 100
_PARALLEL: Final = 100
"""Requests at a time: the library's own default."""


class Script:
    """One script of a user: its client, and when it saw which task end."""

    def __init__(self, network: Network) -> None:
        self.seen: dict[str, float] = {}
        """By the name of the task, on the monotonic clock."""
        self.created: list[Any] = []
        self._clock = LoopClock()
        self._api = sevenbridges.Api(
            url=BASE_URL, token="simulator", error_handlers=[error_handlers.rate_limit_sleeper], timeout=60.0
        )
        for prefix in tuple(self._api.session.adapters):  # the platform's own links begin with http://
            self._api.session.mount(prefix, _Wire(network))
        self._api._throttle_limit = _Semaphore(_PARALLEL)  # noqa: SLF001 - threads wait on its own, and greenlets may not

    async def create(self, names: Sequence[str]) -> None:
        """A thread that creates and runs one task after another."""

        def create() -> None:
            for name in names:
                self.created.append(
                    self._api.tasks.create(name=name, project=PROJECT, app=APP, inputs={"reads": name}, run=True)
                )

        await greenlet_spawn(create)

    async def wait_for(self, task: Any) -> None:  # noqa: ANN401 - the library has no types
        """A thread that waits for one task: `wait(10)`."""
        await greenlet_spawn(task.wait, 10, lambda: self._see(task))

    async def bulk_loop(self) -> None:
        """A thread that asks for all open tasks in hundreds, and sleeps."""

        def loop() -> None:
            while True:
                still = [task for task in self.created if task.name not in self.seen]
                for first in range(0, len(still), _BULK):
                    for record in self._api.tasks.bulk_get(still[first : first + _BULK]):
                        if record.valid and record.resource.status in FINAL:
                            self._see(record.resource)
                task_model.time.sleep(PERIOD)

        await greenlet_spawn(loop)

    def _see(self, task: Any) -> None:  # noqa: ANN401 - the library has no types
        self.seen.setdefault(task.name, self._clock.monotonic())


class _Wire(BaseAdapter):
    """Sends what `requests` would send to the network of the running loop."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:  # type: ignore[override]
        body = request.body.encode() if isinstance(request.body, str) else request.body
        assert isinstance(body, bytes | None)
        headers = {name: value for name, value in request.headers.items() if isinstance(value, str)}
        sent = httpx.Request(request.method or "GET", str(request.url), headers=headers, content=body)
        answer = await_only(self._network.handle_async_request(sent))
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers = CaseInsensitiveDict(answer.headers)
        response.url, response.request = str(request.url), request
        response._content = answer.content  # noqa: SLF001 - as its own adapters fill it
        return response

    def close(self) -> None:
        """Nothing is held."""


class _Semaphore:
    """What `threading.Semaphore` is to threads."""

    def __init__(self, value: int) -> None:
        self._inner = anyio.Semaphore(value)

    def __enter__(self) -> None:
        await_only(self._inner.acquire())

    def __exit__(self, *_: object) -> None:
        self._inner.release()


class _Time:
    """What the library takes for the module `time`."""

    def __init__(self) -> None:
        self._clock = LoopClock()

    def time(self) -> float:
        return self._clock.now() / SECOND

    def sleep(self, seconds: float) -> None:
        await_only(self._clock.sleep(seconds))


@contextmanager
def virtual_time() -> Iterator[None]:
    """The library sleeps on the clock of the running loop meanwhile."""
    ours: Any = _Time()
    task_model.time = error_handlers.time = ours
    try:
        yield
    finally:
        task_model.time = error_handlers.time = time
