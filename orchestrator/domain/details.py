"""Bounds the texts of a platform that are kept with items and batches: a status text of megabytes is of no use."""

from dataclasses import replace
from typing import Final

import msgspec

from orchestrator.domain.model import BatchReport, ItemReport, Learned, Observation

MOST_BYTES: Final = 4096
"""Of one text, as UTF-8, the mark included."""
_MARK: Final = " […cut]"
_SURELY_SHORT: Final = MOST_BYTES // 4
"""Characters that never take more than `MOST_BYTES`."""


def cut(text: str) -> str:
    """The text, or its beginning with a mark behind it."""
    if len(text) <= _SURELY_SHORT:
        return text
    written = text[: MOST_BYTES + 1].encode("utf-8", "replace")
    if len(text) <= MOST_BYTES and len(written) <= MOST_BYTES:
        return text
    return written[: MOST_BYTES - len(_MARK.encode())].decode("utf-8", "ignore") + _MARK


def bounded(seen: Observation) -> Observation:
    """The observation with its texts cut; the very same one where nothing is too long, as nearly always."""
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
