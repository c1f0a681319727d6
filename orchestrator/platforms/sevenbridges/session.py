"""Requests of one account on Seven Bridges: each carries its token."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from orchestrator.clock import Clock
from orchestrator.domain.submission import Submission
from orchestrator.platforms.declaration import Secret
from orchestrator.platforms.http import wrong_address
from orchestrator.platforms.http.calls import Answer, Call, Effect
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.rate_limit.lanes import URGENT, Lane
from orchestrator.platforms.sevenbridges.account import BASE_URLS
from orchestrator.platforms.sevenbridges.wire import RATE_LIMIT, USER
from orchestrator.platforms.token_sender import TokenSender

Params = Mapping[str, str] | Sequence[tuple[str, str]]

_PLATFORM: Final = "Seven Bridges"
_SUBMIT_TIMEOUT: Final = 300.0
_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/json"}


class Session:
    """Sends requests with the account's token. Implements the `Session` of `by_kind`."""

    def __init__(self, remote: Remote, secret: Secret, clock: Clock) -> None:
        self._remote = remote
        self._sender = TokenSender(remote, secret, clock, lambda token: {"X-SBG-Auth-Token": token})

    async def send(self, call: Call) -> Answer:
        """Send `call` with the token; see `TokenSender.send`."""
        return await self._sender.send(call)

    async def user(self) -> str:
        """The user name that the token stands for; asked once for each token."""
        return await self._sender.user(self._ask_name)

    async def request_limit(self) -> int | None:
        """Requests that the platform takes from this user in five minutes; None for any number. Not counted by it."""
        call = replace(_get("/rate_limit", (), "rate_limit", Lane.CONTROL), free=True)
        limit = read(await self.send(call), RATE_LIMIT).rate.limit
        return limit if limit > 0 else None

    async def get(self, path: str, route: str, params: Params = ()) -> Answer:
        """Read something."""
        return await self.send(_get(path, params, route, Lane.POLL))

    async def ask(self, path: str, route: str, body: object, params: Params = ()) -> Answer:
        """Read much: a POST that changes nothing."""
        call = _get(path, params, route, Lane.POLL)
        return await self.send(replace(call, method="POST", body=msgspec.json.encode(body)))

    async def submit(self, submission: Submission, route: str, params: Params = ()) -> Answer:
        """Send a submission, byte for byte as it was stored."""
        return await self.send(
            Call(
                method=submission.method,
                path=submission.path,
                lane=Lane.SUBMIT,
                params=params,
                headers=dict(submission.headers),
                body=submission.body,
                effect=Effect.UNSAFE,
                timeout=_SUBMIT_TIMEOUT,
                route=route,
            )
        )

    async def stop(self, method: str, path: str, route: str) -> Answer:
        """Abort or delete something. Asked twice it is refused, or does nothing: a lost answer is asked for again."""
        return await self.send(
            Call(
                method=method,
                path=path,
                lane=Lane.SUBMIT,
                priority=URGENT,
                headers=_HEADERS,
                effect=Effect.SAFE,
                route=route,
            )
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._remote.aclose()

    async def _ask_name(self) -> Callable[[str], str]:
        base_url = self._remote.base_url
        with wrong_address.recognised(_PLATFORM, _advice(base_url)):
            answer = await self.send(_get("/user", (), "user", Lane.CONTROL))
        if (page := wrong_address.of_page(answer, base_url, _PLATFORM, _advice(base_url))) is not None:
            raise page
        name = read(answer, USER).username
        return lambda _token: name


def _advice(base_url: str) -> str:
    """What `base_url` should be, for an error message."""
    if base_url in BASE_URLS:
        return "The URL is right: check whether a proxy or a login page answers in its place"
    return f"Set base_url to the address of the API, one of {', '.join(BASE_URLS)}"


def submission_headers() -> dict[str, str]:
    """The headers that are stored with a submission."""
    return dict(_HEADERS)


def _get(path: str, params: Params, route: str, lane: Lane) -> Call:
    return Call(method="GET", path=path, lane=lane, params=params, headers=_HEADERS, effect=Effect.SAFE, route=route)
