"""Limits the size of platform texts that are stored with items and batches."""

from dataclasses import replace
from typing import Final

import msgspec

from orchestrator.domain.model import BatchReport, ItemReport, Learned, Observation

MOST_BYTES: Final = 4096
"""Maximum UTF-8 bytes of one text, including the mark of truncation."""
_MARK: Final = " […cut]"
_SURELY_SHORT: Final = MOST_BYTES // 4
"""A text of this many characters never exceeds `MOST_BYTES`."""


def cut(text: str) -> str:
    """The text, truncated with a mark if it is too long."""
    if len(text) <= _SURELY_SHORT:
        return text
    written = text[: MOST_BYTES + 1].encode("utf-8", "replace")
    if len(text) <= MOST_BYTES and len(written) <= MOST_BYTES:
        return text
    return written[: MOST_BYTES - len(_MARK.encode())].decode("utf-8", "ignore") + _MARK


def bounded(seen: Observation) -> Observation:
    """The observation with truncated texts; the same object when none is too long."""
    if isinstance(seen, Learned):
        return seen
    status, detail = seen.status, seen.detail
    if len(status or "") <= _SURELY_SHORT and len(detail or "") <= _SURELY_SHORT:
        return seen
    detail = cut(detail) if detail is not None else None
    if isinstance(seen, ItemReport):
        return msgspec.structs.replace(
            seen, status=cut(seen.status) if seen.status is not None else None, detail=detail
        )
    return _of_batch(seen, detail)


def _of_batch(seen: BatchReport, detail: str | None) -> BatchReport:
    return replace(seen, status=cut(seen.status) if seen.status is not None else None, detail=detail)
