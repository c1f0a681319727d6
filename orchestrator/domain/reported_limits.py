"""Limits what a platform reports of items and batches, before it is stored: sizes of texts, and times of ends."""

from dataclasses import replace
from typing import Final

import msgspec

from orchestrator.domain.model import BatchReport, ItemReport, Learned, Observation, Receipt
from orchestrator.domain.units import DAY, Micros

MOST_BYTES: Final = 4096
"""Maximum UTF-8 bytes of one text, including the mark of truncation."""
MOST_FACTS: Final = 256 * 1024
"""Maximum UTF-8 bytes of the facts of one item."""
OMITTED: Final = "omitted"
"""The fact that names those that were left out for their size."""
_MARK: Final = " […cut]"
_SURELY_SHORT: Final = MOST_BYTES // 4
"""A text of this many characters never exceeds `MOST_BYTES`."""
_AHEAD: Final = 366 * DAY
"""How far in the future the end of an item may seem to be: the local clock may be wrong."""
_FACTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER: Final = msgspec.json.Encoder()


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
    if isinstance(seen, ItemReport):
        return seen if _is_short(seen) else _of_item(seen)
    if len(seen.status or "") <= _SURELY_SHORT and len(seen.detail or "") <= _SURELY_SHORT:
        return seen
    return _of_batch(seen)


def bounded_receipt(receipt: Receipt) -> Receipt:
    """The receipt with truncated texts."""
    items = [bounded(each) for each in receipt.items]
    return replace(receipt, status=_cut(receipt.status), items=[each for each in items if isinstance(each, ItemReport)])


def end_of(reported: Micros | None, now: Micros) -> Micros:
    """When an item ended: as the platform reports it, unless it reports nothing, or what cannot be true."""
    return reported if reported is not None and 0 < reported <= now + _AHEAD else now


def _is_short(seen: ItemReport) -> bool:
    """Whether all texts are surely short. One expression, as it is evaluated for each row of each page."""
    status, detail, facts = seen.status, seen.detail, seen.facts
    return (
        (status is None or len(status) <= _SURELY_SHORT)
        and (detail is None or len(detail) <= _SURELY_SHORT)
        and (facts is None or len(facts) <= _SURELY_SHORT)
    )


def _of_item(seen: ItemReport) -> ItemReport:
    return msgspec.structs.replace(
        seen,
        status=_cut(seen.status),
        detail=_cut(seen.detail),
        facts=_reduced(seen.facts) if seen.facts is not None else None,
    )


def _of_batch(seen: BatchReport) -> BatchReport:
    return replace(seen, status=_cut(seen.status), detail=_cut(seen.detail))


def _cut(text: str | None) -> str | None:
    return cut(text) if text is not None else None


def _reduced(facts: str) -> str:
    """The facts, without the largest of them where they are too large together; `OMITTED` names those."""
    if len(facts.encode()) <= MOST_FACTS:
        return facts
    held = _FACTS.decode(facts)
    kept: set[str] = set()
    left = MOST_FACTS - MOST_BYTES  # the names of those left out have room too
    for name, value in sorted(held.items(), key=lambda fact: len(bytes(fact[1]))):
        left -= len(name.encode()) + len(bytes(value)) + len('"":,')
        if left < 0:
            break
        kept.add(name)
    omitted = cut(", ".join(name for name in held if name not in kept))
    return _ENCODER.encode({name: held[name] for name in held if name in kept} | {OMITTED: omitted}).decode()
