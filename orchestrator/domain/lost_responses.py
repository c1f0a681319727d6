"""Decides what to do with a submission whose response was lost: the table of docs/reliability.md as pure functions."""

from enum import Enum

from orchestrator.domain.errors import OrchestratorError, Refused
from orchestrator.domain.identity import depth_of, is_echo
from orchestrator.domain.lifecycle import is_given_up
from orchestrator.domain.model import Batch, Item, ItemState
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import DAY, HOUR, SECOND, Micros

STILL_RUNNING_LIMIT: Micros = HOUR
"""A platform that has said "still running" for an hour is not believed any longer."""

CLOCK_SLACK: Micros = 60 * SECOND
"""How far in the future a key's time may be: it comes from the platform's clock, and is compared with the local one."""

HARMLESS_WAIT: Micros = 60 * SECOND
"""Delay before harmless work is sent again, so that the first request can end."""

PATIENCE: Micros = DAY
"""How long the platform may refuse to answer before the operator is asked."""


MOST_LOSSES = 3
"""Sends of one batch without a response after which it is not sent again as it is."""

PROMPT_SENDS = 16
"""Sends of one batch without a response after which further ones are `RARE_WAIT` apart, if nothing else can be done."""

RARE_WAIT: Micros = HOUR
"""Delay between further sends."""

MOST_UNANSWERED = 64
"""Sends of one batch without a response, over two days, after which the operator is asked."""

MOST_HALVINGS = 2
"""How often a batch that never gets a response is split in halves."""


class Recovery(Enum):
    """The next step of an unconfirmed batch."""

    RESEND = "resend"
    """Send it again as it is."""
    SEARCH_THEN_RESEND = "search_then_resend"
    """Search for it once; where nothing of it is found, send it again as it is, unless it is exhausted."""
    SEARCH = "search"
    """Search for it twice; what is not found is not sent again as it is."""


def next_step(batch: Batch, *, user: str, now: Micros, clock_trusted: bool) -> Recovery:
    """Whether an unconfirmed batch may be sent again as it is, or must be searched for.

    A key protects only while the platform stores it, for the user who sent it first, and if the local clock can be
    used to compute its age. After a 5xx of the platform itself it does not, as no response was stored. A response that
    was lost may have been such a 5xx, so a key is never the only protection: a search comes first. Work that is
    harmless for a limited time needs none. A cancelled batch is never sent again, only searched for.
    """
    if batch.cancelled:
        return Recovery.SEARCH
    if is_sent_until_answered(batch) or (is_unforgotten(batch) and is_exhausted(batch)):
        return Recovery.SEARCH_THEN_RESEND if never_answered(batch) else Recovery.RESEND
    if never_answered(batch) and (batch.key_void or not is_unforgotten(batch)):
        return Recovery.SEARCH
    if batch.resend is Resend.HARMLESS:
        return Recovery.RESEND if _is_kept(batch, now=now, clock_trusted=clock_trusted) else Recovery.SEARCH
    protected = batch.resend is Resend.SAME_KEY and not batch.key_void and batch.user in {None, user}
    if not protected or not _is_kept(batch, now=now, clock_trusted=clock_trusted):
        return Recovery.SEARCH
    return Recovery.RESEND if is_unforgotten(batch) else Recovery.SEARCH_THEN_RESEND


def _is_kept(batch: Batch, *, now: Micros, clock_trusted: bool) -> bool:
    """Whether a repeat still is what its rule says: the platform knows the key, or the effect does not add up."""
    if batch.key_life is None:
        return True
    young = batch.first_sent_at is None or -CLOCK_SLACK <= now - batch.first_sent_at < batch.key_life
    return clock_trusted and young


def is_sent_until_answered(batch: Batch) -> bool:
    """Whether what an earlier step made is the key: there is never another one, however often no response comes."""
    return is_unforgotten(batch) and batch.step > 1 and not batch.cancelled


def is_unforgotten(batch: Batch) -> bool:
    """Whether the platform knows the key for as long as it may be sent."""
    return batch.resend is Resend.SAME_KEY and batch.key_life is None


def never_answered(batch: Batch) -> bool:
    """Whether a batch has been sent so often without a response that another send is not likely to get one."""
    return batch.in_doubt and batch.sends >= MOST_LOSSES


def is_exhausted(batch: Batch) -> bool:
    """Whether a batch has been sent so often without a response that a person has to find out why."""
    return batch.in_doubt and batch.sends >= MOST_UNANSWERED


def may_repeat_unfound(batch: Batch, *, now: Micros, clock_trusted: bool) -> bool:
    """Whether a batch that is never answered may be sent in smaller parts as soon as one search did not find it."""
    harmless = batch.resend is Resend.HARMLESS and _is_kept(batch, now=now, clock_trusted=clock_trusted)
    return harmless and never_answered(batch) and not batch.cancelled


def may_be_halved(batch: Batch) -> bool:
    """Whether a batch that never gets a response, and is not on the platform, is split."""
    return batch.items > 1 and depth_of(batch.lineage) < MOST_HALVINGS


def key_expired(batch: Batch, submission: Submission, *, now: Micros, clock_trusted: bool) -> bool:
    """Whether a batch without a recorded send may have been sent before, in a way that its key would not show.

    The database may be older than the platform's state: in a restored backup, batches are planned that were sent long
    ago. Where the platform keeps no keys, any batch may be one of these. A key follows from its job, so no key is older
    than the job. Harmless work counts as well once a repeat is no longer harmless.
    """
    if submission.resend not in {Resend.SAME_KEY, Resend.HARMLESS}:
        return True
    if submission.key_life is None:
        return False
    return not clock_trusted or (batch.planned_at is not None and now - batch.planned_at >= submission.key_life)


def wait_for_second_search(batch: Batch, *, now: Micros) -> Micros:
    """Time until a batch that was not found may be searched for the second time; `now` by the platform's clock."""
    if batch.searched_at is None:
        return batch.search_delay
    return max(0, batch.searched_at + batch.search_delay - now)


def is_unresolvable(batch: Batch, error: Exception, *, now: Micros) -> bool:
    """Whether to stop reconciling an unconfirmed batch and to block it; `error` is that of its last search.

    Only a refusal or a bug counts, not an outage, however long. A cancelled batch is given up earlier.
    """
    if isinstance(error, OrchestratorError) and not isinstance(error, Refused):
        return False
    patience = batch.search_delay if batch.cancelled else PATIENCE
    # A send of a time to come, further away than that: the clock was ahead, and nothing shows how long ago it was.
    return batch.sent_at is not None and abs(now - batch.sent_at) >= patience


def may_be_echo(item: Item, batch: Batch) -> bool:
    """Whether an item may have failed only because its batch was sent twice and the first send succeeded.

    True once per item: the outcome in its next batch counts.
    """
    if is_given_up(item):
        return False
    in_a_race = batch.resend is Resend.HARMLESS and item.state is ItemState.FAILED and batch.sends > 1
    return in_a_race and not is_echo(batch.lineage)
