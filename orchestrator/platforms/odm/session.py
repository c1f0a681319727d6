"""Requests of one account on ODM: each carries its token, in the header that the account names."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

import anyio
import anyio.to_thread

from orchestrator.clock import Clock
from orchestrator.domain.errors import Missing, Refused, Unauthorised, WrongAddress
from orchestrator.domain.submission import Submission
from orchestrator.platforms.declaration import Secret
from orchestrator.platforms.http.calls import Answer, Call, Effect
from orchestrator.platforms.http.responses import page_of
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.odm.account import Header
from orchestrator.platforms.rate_limit.lanes import URGENT, Lane

Params = Sequence[tuple[str, str]]

_REREAD: Final = 300.0
"""Seconds after which the secret is read again: it may have been replaced while the old one is still accepted."""
_SUBMIT_TIMEOUT: Final = 300.0
_ACCEPT: Final = {"Accept": "application/json"}
_STUDIES: Final = "/api/v1/as-user/studies"
"""What every user may read: ODM has no call that says whose a token is."""


@dataclass(slots=True, repr=False)
class _Held:
    """A token in use, without its text in any repr."""

    text: str
    read_at: float
    user: str | None = None


class Session:
    """Sends requests with the account's token. Implements the `Session` of `by_kind`."""

    def __init__(self, remote: Remote, secret: Secret, header: Header, clock: Clock) -> None:
        self._remote = remote
        self._secret = secret
        self._header = header
        self._clock = clock
        self._held: _Held | None = None
        self._asking = anyio.Lock()

    async def send(self, call: Call) -> Answer:
        """Send `call` with the token; after a 401 once more, if there is another token by then.

        Raises:
            Unauthorised: ODM does not accept the token. Nothing was done.
            PlatformError: whatever else `Remote.send` raises.
        """
        held = await self._token()
        try:
            return await self._remote.send(self._signed(call, held))
        except Unauthorised:
            if (other := await self._token(anew=True)).text == held.text:
                raise
        return await self._remote.send(self._signed(call, other))

    async def user(self) -> str:
        """A digest of the token, once ODM has accepted it; asked once for each token.

        Raises:
            WrongAddress: there is something else at the account's address.
        """
        async with self._asking:
            held = await self._token()
            if held.user is None:
                await self._try_out()
                held = self._held or held  # another one by now, if the first was refused
                held.user = f"token-{hashlib.sha256(held.text.encode()).hexdigest()[:16]}"
            return held.user

    async def get(self, path: str, route: str, params: Params = ()) -> Answer:
        """Read something."""
        return await self.send(_get(path, params, route, Lane.POLL))

    async def submit(self, submission: Submission, route: str) -> Answer:
        """Send a submission as it was stored: its path may have parameters, and a fragment, which is not sent."""
        path, _, query = submission.path.partition("#")[0].partition("?")
        return await self.send(
            Call(
                method=submission.method,
                path=path,
                lane=Lane.SUBMIT,
                params=parse_qsl(query, keep_blank_values=True),
                headers=dict(submission.headers),
                body=submission.body or None,
                effect=Effect.UNSAFE,
                timeout=_SUBMIT_TIMEOUT,
                route=route,
            )
        )

    async def stop(self, path: str, route: str) -> Answer:
        """Stop something. Asked twice it is refused, or does nothing: a lost answer is asked for again."""
        return await self.send(
            Call(
                method="PUT",
                path=path,
                lane=Lane.SUBMIT,
                priority=URGENT,
                headers=_ACCEPT,
                effect=Effect.SAFE,
                route=route,
            )
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._remote.aclose()

    async def _try_out(self) -> None:
        """Whether ODM is there and accepts the token."""
        params = (("pageLimit", "1"), ("returnedMetadataFields", "minimal_data"))
        try:
            answer = await self.send(_get(_STUDIES, params, "as-user/studies", Lane.CONTROL))
        except Missing as missing:
            raise WrongAddress(
                f"{self._remote.base_url}{_STUDIES} is not there: `base_url` must be the address of ODM, without the "
                f"path of its API ({missing})"
            ) from missing
        except Refused:
            return  # the token was accepted; what its user may do is another matter
        if (page := page_of(answer.headers.get("content-type", ""), answer.body)) is not None:
            raise WrongAddress(f"{self._remote.base_url} is not ODM: it answers with {page}. Check `base_url`")

    async def _token(self, *, anew: bool = False) -> _Held:
        held, now = self._held, self._clock.monotonic()
        if held is not None and not anew and now - held.read_at < _REREAD:
            return held
        text = self._secret if isinstance(self._secret, str) else await anyio.to_thread.run_sync(self._secret)
        if self._held is None or self._held.text != text:
            self._held = _Held(text, now)
        self._held.read_at = now
        return self._held

    def _signed(self, call: Call, held: _Held) -> Call:
        value = f"Bearer {held.text}" if self._header == "Authorization" else held.text
        return replace(call, headers={**call.headers, self._header: value})


def submission_headers(*, body: bool) -> dict[str, str]:
    """The headers that are stored with a submission."""
    return {**_ACCEPT, "Content-Type": "application/json"} if body else dict(_ACCEPT)


def _get(path: str, params: Params, route: str, lane: Lane) -> Call:
    return Call(method="GET", path=path, lane=lane, params=params, headers=_ACCEPT, effect=Effect.SAFE, route=route)
