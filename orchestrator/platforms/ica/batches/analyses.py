"""Analyses as returned by a search or by id: which item each belongs to, and what its status means."""

from collections.abc import Iterable
from datetime import UTC
from typing import Final

from orchestrator.clock import Micros
from orchestrator.domain.identity import BATCH_TAG, INSTANCE_TAG, ITEM_TAG
from orchestrator.domain.model import BatchKey, ItemReport
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.protocol.wire import Analysis, Tags
from orchestrator.platforms.ica.statuses import ANALYSIS, FINAL_ANALYSIS
from orchestrator.platforms.status_table import state_of
from orchestrator.platforms.times import moment_in

Owner = tuple[str | None, BatchKey | None, int | None]
"""The instance, batch and item in the tags of this program; None for each that is absent."""

NO_OWNER: Final[Owner] = (None, None, None)

_DIGITS: Final = 9
"""Maximum digits of an item's number; a longer one was not written by this program."""


def owner_of(tags: Tags | None) -> Owner:
    """Read the tags of this program. The last of each name counts: `compose` puts them behind all others."""
    if tags is None or not tags.technical_tags:
        return NO_OWNER
    instance = batch = seq = None
    for tag in tags.technical_tags:  # runs for each row of each page; slices are the fastest way to compare a prefix
        if tag[:10] == BATCH_TAG:
            batch = BatchKey(tag[10:])
        elif tag[:9] == ITEM_TAG:
            seq = tag[9:]
        elif tag[:13] == INSTANCE_TAG:
            instance = tag[13:]
    number = int(seq) if seq and len(seq) <= _DIGITS and seq.isdecimal() else None
    return instance, batch, number


def reports_of(rows: Iterable[Analysis], instance: str) -> list[ItemReport]:
    """The reports of rows that belong to items of `instance`; other analyses are skipped.

    ICA's tag filter may match more than was requested, so whole tags are compared here.
    """
    seen = []
    for row in rows:
        owner, batch, seq = owner_of(row.tags)
        key = row.user_reference
        if owner == instance and batch is not None and (seq is not None or key is not None):
            seen.append(analysis_report(row, batch, seq, key))
    return seen


def analysis_report(
    row: Analysis, batch: BatchKey, seq: int | None, key: str | None, *, hint: bool = False
) -> ItemReport:
    """The report of a row. Summary and end date are included once the analysis has ended."""
    state, known = state_of(row.status, ANALYSIS)
    ended = row.status in FINAL_ANALYSIS
    return ItemReport(
        batch=batch,
        stage=stages.ANALYSIS,
        state=state,
        status=row.status,
        seq=seq,
        key=key,
        remote_id=row.id,
        detail=(row.summary or None) if ended else None,
        finished_at=moment(row.end_date) if ended else None,
        hint=hint,
        known_status=known,
    )


def moment(text: str | None) -> Micros | None:
    """Parse an ISO 8601 time to microseconds UTC; None when it is invalid, or not of our era.

    ICA's times end with `Z`; one without a zone is taken for UTC, never for the zone of this machine.
    """
    return moment_in(text, zone=UTC) if text else None
