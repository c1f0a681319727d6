"""Decides what to do with a submission whose response was lost: the table of docs/reliability.md as pure functions."""

from enum import Enum

from orchestrator.domain.errors import OrchestratorError, Refused
from orchestrator.domain.identity import depth_of, is_echo
from orchestrator.domain.lifecycle import is_given_up
from orchestrator.domain.model import Batch, Item, ItemState, Resend, Stage
from orchestrator.domain.units import SECOND, Micros

KEY_LIFE: Micros = 6 * 24 * 3600 * SECOND
"""How long an idempotency key is relied on. ICA stores its response for 7 days; this is a day less."""

STILL_RUNNING_LIMIT: Micros = 3600 * SECOND
"""Time after which the platform's "still running" is no longer trusted."""

CLOCK_SLACK: Micros = 60 * SECOND
"""How far in the future a key's time may be: it comes from the platform's clock, and is compared with the local one."""

HARMLESS_WAIT: Micros = 60 * SECOND
"""Delay before harmless work is sent again, so that the first request can end."""

SECOND_SEARCH_WAIT: Micros = 3600 * SECOND
"""Time between two unsuccessful searches before what was not found counts as never created."""

PATIENCE: Micros = 24 * 3600 * SECOND
"""How long the platform may refuse to report the outcome before the batch is blocked for the operator."""


MOST_LOSSES = 3
"""Sends of one batch without a response after which it is reconciled before it is sent again."""

MOST_HALVINGS = 2
"""How often a batch that never gets a response is split in halves."""


class Recovery(Enum):
    """The next step of an unconfirmed batch."""

    RESEND = "resend"
    SEARCH = "search"


def next_step(batch: Batch, resend: Resend, *, user: str, now: Micros, clock_trusted: bool) -> Recovery:
    """Whether an unconfirmed batch may be sent again unchanged, or must be searched for first.

    A key protects only while the platform stores it, for the user who sent it first, and if the local clock can be
    used to compute its age. After a 5xx of the platform itself it does not, as no response was stored. A cancelled
    batch is never sent again, only searched for.
    """
    if batch.cancelled or never_answered(batch):
        return Recovery.SEARCH
    if resend is Resend.HARMLESS:
        return Recovery.RESEND
    if resend is Resend.NEVER or batch.key_void or not clock_trusted:
        return Recovery.SEARCH
    same_user = batch.user is None or batch.user == user
    young = batch.first_sent_at is None or -CLOCK_SLACK <= now - batch.first_sent_at < KEY_LIFE
    return Recovery.RESEND if same_user and young else Recovery.SEARCH


def never_answered(batch: Batch) -> bool:
    """Whether a batch has been sent so often without a response that another send is not likely to get one."""
    return batch.in_doubt and batch.sends >= MOST_LOSSES


def may_be_halved(batch: Batch) -> bool:
    """Whether a batch that never gets a response, and is not on the platform, is split."""
    return batch.items > 1 and depth_of(batch.lineage) < MOST_HALVINGS


def key_expired(batch: Batch, *, now: Micros, clock_trusted: bool) -> bool:
    """Whether an unsent batch may have been sent by an earlier database so long ago that its key has expired.

    A restored backup has batches as planned that were sent long ago. A key is derived from its job, so it is not older
    than the job.
    """
    return not clock_trusted or (batch.planned_at is not None and now - batch.planned_at >= KEY_LIFE)


def wait_for_second_search(batch: Batch, *, now: Micros) -> Micros:
    """Time until a batch that was not found may be searched for the second time; `now` by the platform's clock."""
    if batch.searched_at is None:
        return SECOND_SEARCH_WAIT
    return max(0, batch.searched_at + SECOND_SEARCH_WAIT - now)


def is_unresolvable(batch: Batch, error: Exception, *, now: Micros) -> bool:
    """Whether to stop reconciling an unconfirmed batch and to block it; `error` is that of its last search.

    Only a refusal or a bug counts, not an outage, however long. A cancelled batch is given up earlier.
    """
    if isinstance(error, OrchestratorError) and not isinstance(error, Refused):
        return False
    patience = SECOND_SEARCH_WAIT if batch.cancelled else PATIENCE
    return batch.sent_at is not None and now - batch.sent_at >= patience


def may_be_echo(item: Item, batch: Batch) -> bool:
    """Whether an item may have failed only because its batch was sent twice and the first send succeeded.

    True once per item: the outcome in its next batch counts.
    """
    if is_given_up(item):
        return False
    in_a_race = item.stage is Stage.LINK and item.state is ItemState.FAILED and batch.sends > 1
    return in_a_race and not is_echo(batch.lineage)
