"""Authenticates requests to ICA with a JSON Web Token made from the API key, and renews it before it expires.

Only the lifetime of the token is used, measured on the local monotonic clock from before its request, so that wrong
wall clocks have no effect.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import anyio.to_thread
import msgspec

from orchestrator.clock import SECOND, Clock
from orchestrator.domain.errors import PlatformError, Transient, Unauthorised
from orchestrator.platforms.http.calls import Answer, Call, Effect
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.ica.protocol import address
from orchestrator.platforms.ica.protocol.media import V3
from orchestrator.platforms.ica.protocol.wire import TOKEN
from orchestrator.platforms.rate_limit.lanes import Lane

ApiKey = str | Callable[[], str]
"""The key, or a function that reads it for each token, as it may have been replaced; called in a thread."""

_UNREPORTED: Final = 600.0
"""Seconds for which a token without an expiry time is used."""
_MARGIN: Final = 300.0
"""Seconds before its expiry at which a token is renewed; a request may wait that long for its slot."""
_SHARE: Final = 0.2
"""The margin is at most this share of the token's lifetime."""


class _Claims(msgspec.Struct, frozen=True):
    exp: float | None = None
    iat: float | None = None
    sub: str | None = None
    uid: str | None = None
    user_id: str | None = None
    email: str | None = None

    @property
    def user(self) -> str | None:
        return self.sub or self.uid or self.user_id or self.email


_CLAIMS = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True, repr=False)
class _Held:
    """The current token; its repr does not show it."""

    text: str
    user: str
    renew_at: float


class Session:
    """Sends requests as the user of an API key."""

    def __init__(self, remote: Remote, api_key: ApiKey, clock: Clock) -> None:
        self._remote = remote
        self._key = api_key
        self._clock = clock
        self._held: _Held | None = None
        self._lock = anyio.Lock()
        self._fetches = 0  # that ended, well or not
        self._failure: PlatformError | None = None  # of the last one

    async def send(self, call: Call, *, user: str | None = None) -> Answer:
        """Send `call` with the token. When ICA rejects the token, it is renewed once.

        With a `user`, only as that one: ICA keeps idempotency keys by user, and a new token may be another's, because
        the key was replaced meanwhile.

        Raises:
            Unauthorised: ICA rejects the key, or also a new token. The call had no effect.
            Transient: the token is another user's, and the call was not sent; or any temporary failure.
            PlatformError: any other error of `Remote.send`, for the call or for the token request.
        """
        held = await self._token_of(user)
        try:
            return await self._remote.send(_signed(call, held))
        except Unauthorised:
            if self._held is held:
                self._held = None
        return await self._remote.send(_signed(call, await self._token_of(user)))

    async def _token_of(self, user: str | None) -> _Held:
        held = await self._token()
        if user is not None and held.user != user:
            raise Transient("not sent: the credential became another user's while this was being prepared")
        return held

    async def user(self) -> str:
        """The user of the token; a digest of the key when the token has none."""
        return (await self._token()).user

    async def _token(self) -> _Held:
        """A valid token. One caller fetches it for all that wait, and they share its error.

        If that caller is cancelled, the next one fetches.
        """
        if (held := self._current()) is not None:
            return held
        fetches = self._fetches
        async with self._lock:
            if (held := self._current()) is not None:
                return held
            if self._fetches > fetches and self._failure is not None:
                raise self._failure
            return await self._fetch()

    def _current(self) -> _Held | None:
        held = self._held
        return held if held is not None and self._clock.monotonic() < held.renew_at else None

    async def _fetch(self) -> _Held:
        asked_at = self._clock.monotonic()
        self._failure = None
        key = self._key if isinstance(self._key, str) else await anyio.to_thread.run_sync(self._key)
        try:
            answer = await self._remote.send(
                Call(
                    method="POST",
                    path="/api/tokens",
                    lane=Lane.CONTROL,
                    headers={"X-API-Key": key, "Accept": V3},
                    effect=Effect.SAFE,
                    route="tokens",
                    answers_with_secret=True,
                )
            )
            if (page := address.of_page(answer, self._remote.base_url)) is not None:
                raise page
            text = read(answer, TOKEN).token
        except PlatformError as error:
            self._failure = address.of_error(error, self._remote.base_url)
            self._fetches += 1
            if self._failure is error:
                raise
            raise self._failure from error
        claims = _claims_of(text)
        life = _life_of(claims, answer.server_date or self._clock.now())
        user = claims.user or f"key-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        self._held = _Held(text, user, asked_at + life - min(_MARGIN, life * _SHARE))
        self._fetches += 1
        return self._held


def _signed(call: Call, held: _Held) -> Call:
    return replace(call, headers={**call.headers, "Authorization": f"Bearer {held.text}"})


def _claims_of(token: str) -> _Claims:
    """The claims of a token; empty when it is opaque."""
    try:
        payload = token.split(".")[1]
        return _CLAIMS.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, binascii.Error, msgspec.DecodeError, ValueError, RecursionError):
        return _Claims()


def _life_of(claims: _Claims, now: int) -> float:
    """Seconds from issue to expiry; without an issue time, from ICA's `Date`. Invalid times count as absent."""
    if claims.exp is None:
        return _UNREPORTED
    life = claims.exp - (claims.iat if claims.iat is not None else now / SECOND)
    return life if life > 0 else _UNREPORTED
