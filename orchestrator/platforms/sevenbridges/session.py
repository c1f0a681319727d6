"""Requests of one account on Seven Bridges: each carries its token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio
import anyio.to_thread
import msgspec

from orchestrator.clock import Clock
from orchestrator.domain.errors import Unauthorised
from orchestrator.domain.submission import Submission
from orchestrator.platforms.declaration import Secret
from orchestrator.platforms.http.calls import Answer, Call, Effect
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.rate_limit.lanes import URGENT, Lane
from orchestrator.platforms.sevenbridges.wire import USER

Params = Mapping[str, str] | Sequence[tuple[str, str]]

_REREAD: Final = 300.0
"""Seconds after which the secret is read again: it may have been replaced while the old one is still accepted."""
_SUBMIT_TIMEOUT: Final = 300.0
_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/json"}


@dataclass(slots=True, repr=False)
class _Held:
    """A token in use, without its text in any repr."""

    text: str
    read_at: float
    user: str | None = None


class Session:
    """Sends requests with the account's token. Implements the `Session` of `by_kind`."""

    def __init__(self, remote: Remote, secret: Secret, clock: Clock) -> None:
        self._remote = remote
        self._secret = secret
        self._clock = clock
        self._held: _Held | None = None
        self._asking = anyio.Lock()

    async def send(self, call: Call) -> Answer:
        """Send `call` with the token; after a 401 once more, if there is another token by then.

        Raises:
            Unauthorised: the platform does not accept the token. Nothing was done.
            PlatformError: whatever else `Remote.send` raises.
        """
        held = await self._token()
        try:
            return await self._remote.send(_signed(call, held))
        except Unauthorised:
            if (other := await self._token(anew=True)).text == held.text:
                raise
        return await self._remote.send(_signed(call, other))

    async def user(self) -> str:
        """The user name that the token stands for; asked once for each token."""
        async with self._asking:
            held = await self._token()
            if held.user is None:
                answer = await self.send(_get("/user", (), "user", Lane.CONTROL))
                name = read(answer, USER).username
                if self._held is not None:  # another one by now, if the first was refused
                    self._held.user = name
                return name
            return held.user

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

    async def _token(self, *, anew: bool = False) -> _Held:
        held, now = self._held, self._clock.monotonic()
        if held is not None and not anew and now - held.read_at < _REREAD:
            return held
        text = self._secret if isinstance(self._secret, str) else await anyio.to_thread.run_sync(self._secret)
        if self._held is None or self._held.text != text:
            self._held = _Held(text, now)
        self._held.read_at = now
        return self._held


def submission_headers() -> dict[str, str]:
    """The headers that are stored with a submission."""
    return dict(_HEADERS)


def _get(path: str, params: Params, route: str, lane: Lane) -> Call:
    return Call(method="GET", path=path, lane=lane, params=params, headers=_HEADERS, effect=Effect.SAFE, route=route)


def _signed(call: Call, held: _Held) -> Call:
    return replace(call, headers={**call.headers, "X-SBG-Auth-Token": held.text})
