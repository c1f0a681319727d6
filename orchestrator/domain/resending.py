"""What to do about a submission whose answer was lost. Pure: the table of docs/reliability.md, as code."""

from enum import Enum

from orchestrator.domain.model import Batch, Resend
from orchestrator.domain.units import SECOND, Micros

KEY_LIFE: Micros = 6 * 24 * 3600 * SECOND
"""ICA keeps the answer to a key for 7 days; we stop relying on it a day before."""

STILL_RUNNING_LIMIT: Micros = 3600 * SECOND
"""A platform that has said "still running" for an hour is not believed any longer."""

CLOCK_SLACK: Micros = 60 * SECOND
"""A key may look this much younger than new: it is dated by the platform's clock, its age is told by ours."""

HARMLESS_WAIT: Micros = 60 * SECOND
"""Before an effect that does not add up is sent again: time for the first request to come to its end."""

SECOND_SEARCH_WAIT: Micros = 3600 * SECOND
"""Between two searches in vain, before what was not found counts as never created."""


class Way(Enum):
    """How to find out, or to go on without having found out."""

    RESEND = "resend"
    SEARCH = "search"


def way_out(batch: Batch, resend: Resend, *, user: str, now: Micros, clock_trusted: bool) -> Way:
    """Whether an unconfirmed batch may be sent again as it is, or must be looked for first.

    A key is worth something only while the platform keeps its answers, for the user who sent it first, and as far as
    our clock can tell its age. It is worth nothing once the platform itself has written a 5xx under it, because then
    no answer was stored.
    """
    if resend is Resend.HARMLESS:
        return Way.RESEND
    if resend is Resend.NEVER or batch.key_void or not clock_trusted:
        return Way.SEARCH
    same_user = batch.user is None or batch.user == user
    young = batch.first_sent_at is None or -CLOCK_SLACK <= now - batch.first_sent_at < KEY_LIFE
    return Way.RESEND if same_user and young else Way.SEARCH
