"""Names that we give to things on a platform, so that they can be found again whatever happens to us.

A key follows from (instance, job, lineage, attempt) and from nothing else: a restored backup, or a file dropped again
after the database was lost, sends the same bytes under the same key, and the platform sees that it is the same request.
"""

import hashlib
import uuid
from collections.abc import Iterable

from orchestrator.domain.model import BatchKey

_NAMESPACE = uuid.UUID("5a3f7c1e-7d0e-5b6a-9c58-2f1d3f0a6b44")


def batch_key(instance: str, job: str, lineage: str, attempt: int) -> BatchKey:
    """The key of one submission. Job names are unique without regard to case, and so are keys."""
    # The length of each part goes in front of it, so that no two different tuples write the same text.
    parts = (instance, job.casefold(), lineage, str(attempt))
    return BatchKey(str(uuid.uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts))))


INSTANCE_TAG, BATCH_TAG, ITEM_TAG = OUR_TAGS = ("orc-instance=", "orc-batch=", "orc-item=")
"""How the tags begin that we put on what we create; what follows is the value."""


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
    """How many splits led to it."""
    return lineage.count(".")


def retry_lineage(sent: Iterable[tuple[int, int]]) -> str:
    """The lineage of a batch that sends items again, which were sent before in other batches.

    It follows from the items, each with its number and attempt, and not from the order in which batches came to need
    it: after a backup was restored that order may be another one.
    """
    return f"r{_digest(sent)}"


def echo_lineage(sent: Iterable[tuple[int, int]]) -> str:
    """The same, for items that go out again because nobody can tell whether their failure was real."""
    return f"e{_digest(sent)}"


def is_echo(lineage: str) -> bool:
    """Whether a batch, or what it was split from, has an `echo_lineage`."""
    return lineage.startswith("e")


def _digest(sent: Iterable[tuple[int, int]]) -> str:
    text = ",".join(f"{seq}:{attempt}" for seq, attempt in sorted(sent))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
