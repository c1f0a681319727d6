"""Pages of searches by cursor: where the next one begins, and what to do when ICA no longer knows the place."""

from dataclasses import replace
from typing import Final

from orchestrator.domain.errors import Refused
from orchestrator.domain.model import Learned, Poll, PollResult
from orchestrator.platforms.http.calls import Answer, Call
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.pages import MOST_PAGES

_FORGOTTEN: Final = frozenset({400, 410})
"""Statuses with which ICA rejects a page token that it no longer knows."""


async def page_of(session: Session, call: Call, *, at: str | None) -> Answer | None:
    """The answer; None where ICA no longer knows the page token `at`."""
    try:
        return await session.send(call)
    except Refused as refusal:
        if at is None or refusal.status not in _FORGOTTEN:
            raise
        return None


def following(poll: Poll, token: str | None) -> tuple[str | None, bool]:
    """The token of the page behind one of `poll`, or None; and whether nothing was left out."""
    if token is None:
        return None, True
    if token in poll.trail or poll.page >= MOST_PAGES:
        return None, False
    return token, True


def restarted(poll: Poll, learned: Learned | None = None) -> PollResult:
    """The same poll from its first page."""
    again = replace(poll, cursor=None, page=0, trail=frozenset())
    return PollResult([learned] if learned is not None else [], next=again, restarted=True)
