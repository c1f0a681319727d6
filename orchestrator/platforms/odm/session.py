"""Requests of one account on ODM: each carries its token, in the header that the account names."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from orchestrator.clock import Clock
from orchestrator.domain.errors import Refused
from orchestrator.domain.submission import Submission
from orchestrator.platforms.declaration import Secret
from orchestrator.platforms.http import wrong_address
from orchestrator.platforms.http.calls import Answer, Call, Effect
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.http.responses import page_of
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.odm.account import Header
from orchestrator.platforms.rate_limit.lanes import URGENT, Lane
from orchestrator.platforms.token_sender import TokenSender

Params = Sequence[tuple[str, str]]

_SUBMIT_TIMEOUT: Final = 300.0
_ACCEPT: Final = {"Accept": "application/json"}
_PLATFORM: Final = "ODM"
_ADVICE: Final = "Set base_url to the address of the server, as in the browser, without /api/v1"
_FORBIDDEN: Final = 403
_ANY_JSON: Final = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])
"""The list of studies is not specified, and nothing of it is needed."""
_STUDIES: Final = "/api/v1/as-user/studies"
"""What every user may read: ODM has no call that says whose a token is."""


class Session:
    """Sends requests with the account's token. Implements the `Session` of `by_kind`."""

    def __init__(self, remote: Remote, secret: Secret, header: Header, clock: Clock) -> None:
        self._remote = remote
        scheme = "Bearer " if header == "Authorization" else ""
        self._sender = TokenSender(remote, secret, clock, lambda token: {header: f"{scheme}{token}"})

    async def send(self, call: Call) -> Answer:
        """Send `call` with the token; see `TokenSender.send`."""
        return await self._sender.send(call)

    async def user(self) -> str:
        """A digest of the token, once ODM has accepted it; asked once for each token.

        Raises:
            WrongAddress: there is something else at the account's address.
        """
        return await self._sender.user(self._accept)

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

    async def _accept(self) -> Callable[[str], str]:
        await self._try_out()
        return lambda token: f"token-{hashlib.sha256(token.encode()).hexdigest()[:16]}"

    async def _try_out(self) -> None:
        """Whether ODM is there and accepts the token."""
        base_url = self._remote.base_url
        params = (("pageLimit", "1"), ("returnedMetadataFields", "minimal_data"))
        try:
            with wrong_address.recognised(_PLATFORM, _ADVICE):
                answer = await self.send(_get(_STUDIES, params, "as-user/studies", Lane.CONTROL))
        except Refused as error:
            if error.status == _FORBIDDEN and page_of("", error.body) is None:
                return  # the token was accepted; what its user may do is another matter
            raise
        if (page := wrong_address.of_page(answer, base_url, _PLATFORM, _ADVICE)) is not None:
            raise page
        read(answer, _ANY_JSON)


def submission_headers(*, body: bool) -> dict[str, str]:
    """The headers that are stored with a submission."""
    return {**_ACCEPT, "Content-Type": "application/json"} if body else dict(_ACCEPT)


def _get(path: str, params: Params, route: str, lane: Lane) -> Call:
    return Call(method="GET", path=path, lane=lane, params=params, headers=_ACCEPT, effect=Effect.SAFE, route=route)
