"""Limits what a platform reports of items and batches, before it is stored: sizes of texts, and times of ends."""

from dataclasses import replace
from typing import Final, TypeVar

import msgspec

from orchestrator.domain.model import BatchReport, ItemReport, Receipt
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

Seen = TypeVar("Seen", ItemReport, BatchReport)


def cut(text: str) -> str:
    """The text, truncated with a mark if it is too long."""
    if len(text) <= _SURELY_SHORT:
        return text
    written = text[: MOST_BYTES + 1].encode("utf-8", "replace")
    if len(text) <= MOST_BYTES and len(written) <= MOST_BYTES:
        return text
    return written[: MOST_BYTES - len(_MARK.encode())].decode("utf-8", "ignore") + _MARK


def bounded(seen: Seen) -> Seen:
    """The report with truncated texts."""
    if isinstance(seen, BatchReport):
        return replace(seen, status=_cut(seen.status), detail=_cut(seen.detail))
    return seen if _is_short(seen) else _of_item(seen)


def bounded_receipt(receipt: Receipt) -> Receipt:
    """The receipt with truncated texts."""
    return replace(receipt, status=_cut(receipt.status), items=[bounded(each) for each in receipt.items])


def end_of(reported: Micros | None, now: Micros) -> Micros:
    """When an item ended: as the platform reports it, unless it reports nothing, or what cannot be true."""
    return reported if reported is not None and 0 < reported <= now + _AHEAD else now


def _is_short(seen: ItemReport) -> bool:
    return all(text is None or len(text) <= _SURELY_SHORT for text in (seen.status, seen.detail, seen.facts))


def _of_item(seen: ItemReport) -> ItemReport:
    return msgspec.structs.replace(
        seen,
        status=_cut(seen.status),
        detail=_cut(seen.detail),
        facts=_reduced(seen.facts) if seen.facts is not None else None,
    )


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
