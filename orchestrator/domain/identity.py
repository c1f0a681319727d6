"""Idempotency keys and tags, by which objects on a platform are found again, also after the database was lost.

A key is derived from (instance, job, lineage, attempt) only. So a restored backup, or a queue file that is submitted
again after the database was lost, sends the same bytes under the same key, and the platform recognises the request.
"""

import hashlib
import uuid
from collections.abc import Iterable

from orchestrator.domain.model import BatchKey

_NAMESPACE = uuid.UUID("5a3f7c1e-7d0e-5b6a-9c58-2f1d3f0a6b44")


def batch_key(instance: str, job: str, lineage: str, attempt: int) -> BatchKey:
    """The key of one submission. Job names are unique without regard to case, and so are keys."""
    # Each part is prefixed with its length, so that different tuples never give the same text.
    parts = (instance, job.casefold(), lineage, str(attempt))
    return BatchKey(str(uuid.uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts))))


INSTANCE_TAG, BATCH_TAG, ITEM_TAG = OUR_TAGS = ("orc-instance=", "orc-batch=", "orc-item=")
"""The prefixes of the tags that this program sets; the value follows."""


def instance_tag(instance: str) -> str:
    return INSTANCE_TAG + instance


def batch_tag(key: BatchKey) -> str:
    return BATCH_TAG + key


def item_tag(seq: int) -> str:
    return f"{ITEM_TAG}{seq}"


def halves_of(lineage: str) -> tuple[str, str]:
    """The lineages of the two batches that `lineage` is split into."""
    return f"{lineage}.1", f"{lineage}.2"


def depth_of(lineage: str) -> int:
    """The number of splits that led to it."""
    return lineage.count(".")


def retry_lineage(sent: Iterable[tuple[int, int]]) -> str:
    """The lineage of a batch that sends items of other batches again.

    It is derived from the items, each with its number and attempt, and not from the order in which they failed: after
    a backup was restored that order may be different.
    """
    return f"r{_digest(sent)}"


def echo_lineage(sent: Iterable[tuple[int, int]]) -> str:
    """The same, for items that are sent again because their failure may come from a duplicate send."""
    return f"e{_digest(sent)}"


def is_echo(lineage: str) -> bool:
    """Whether a batch, or what it was split from, has an `echo_lineage`."""
    return lineage.startswith("e")


def _digest(sent: Iterable[tuple[int, int]]) -> str:
    text = ",".join(f"{seq}:{attempt}" for seq, attempt in sorted(sent))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
