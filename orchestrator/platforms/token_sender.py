"""Requests that carry an account's token in a header, on platforms where the token itself is the credential."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import anyio
import anyio.to_thread

from orchestrator.clock import Clock
from orchestrator.domain.errors import Unauthorised
from orchestrator.platforms.declaration import Secret
from orchestrator.platforms.http.calls import Answer, Call
from orchestrator.platforms.http.transport import Remote

_REREAD: Final = 300.0
"""Seconds after which the secret is read again: it may have been replaced while the old one is still accepted."""


@dataclass(slots=True, repr=False)
class _Held:
    """A token in use, without its text in any repr."""

    text: str
    read_at: float
    user: str | None = None


class TokenSender:
    """Sends requests with the account's token, which is read again from time to time and after a 401."""

    def __init__(
        self, remote: Remote, secret: Secret, clock: Clock, headers_of: Callable[[str], Mapping[str, str]]
    ) -> None:
        """`headers_of` returns the headers that carry a token."""
        self._remote = remote
        self._secret = secret
        self._clock = clock
        self._headers_of = headers_of
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
            return await self._remote.send(self._signed(call, held))
        except Unauthorised:
            if (other := await self._token(anew=True)).text == held.text:
                raise
        return await self._remote.send(self._signed(call, other))

    async def user(self, ask: Callable[[], Awaitable[Callable[[str], str]]]) -> str:
        """The user of the token. `ask` sends a request and returns the user of a token; called once for each token."""
        async with self._asking:
            held = await self._token()
            if held.user is None:
                user_of = await ask()
                held = self._held or held  # another one by now, if the first was refused
                held.user = user_of(held.text)
            return held.user

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
        return replace(call, headers={**call.headers, **self._headers_of(held.text)})
