"""Analyses as ICA tells of them directly, by search or by id: whose they are, and what their word means."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from orchestrator.clock import Micros
from orchestrator.domain.identity import BATCH_TAG, INSTANCE_TAG, ITEM_TAG
from orchestrator.domain.model import BatchKey, ItemReport
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.protocol.wire import Analysis, Tags
from orchestrator.platforms.ica.statuses import ANALYSIS, FINAL_ANALYSIS
from orchestrator.platforms.status_table import state_of

Owner = tuple[str | None, BatchKey | None, int | None]
"""What our tags say: the instance, the batch and the item. Each is None on what is not ours."""

NOBODY: Final[Owner] = (None, None, None)

_DIGITS: Final = 9
"""Of an item's number; what is longer was not written by us."""


def owner_of(tags: Tags | None) -> Owner:
    """Read our tags, whole. They are the last of their names: `compose` puts them behind all others."""
    if tags is None or not tags.technical_tags:
        return NOBODY
    instance = batch = seq = None
    for tag in tags.technical_tags:  # for each row of each page: slices are the quickest way to look at a beginning
        if tag[:10] == BATCH_TAG:
            batch = BatchKey(tag[10:])
        elif tag[:9] == ITEM_TAG:
            seq = tag[9:]
        elif tag[:13] == INSTANCE_TAG:
            instance = tag[13:]
    number = int(seq) if seq and len(seq) <= _DIGITS and seq.isdecimal() else None
    return instance, batch, number


def tell(rows: Iterable[Analysis], instance: str) -> list[ItemReport]:
    """What these rows say about items of ours; other people's analyses say nothing.

    ICA's tag filter may match more than was asked for, so the whole tag is compared here.
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
    """What a row says about the item that it belongs to. Summary and end count once it has ended."""
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
    """An ISO 8601 time as microseconds UTC; None where it cannot be read."""
    if not text:
        return None
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        return None
