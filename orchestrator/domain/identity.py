"""Names that we give to things on a platform, so that they can be found again whatever happens to us.

A key follows from (instance, job, lineage, attempt) and from nothing else: a restored backup, or a file dropped again
after the database was lost, sends the same bytes under the same key, and the platform sees that it is the same request.
"""

import uuid

from orchestrator.domain.model import BatchKey

_NAMESPACE = uuid.UUID("5a3f7c1e-7d0e-5b6a-9c58-2f1d3f0a6b44")


def batch_key(instance: str, job: str, lineage: str, attempt: int) -> BatchKey:
    """The key of one submission. Job names are unique without regard to case, and so are keys."""
    # The length of each part goes in front of it, so that no two different tuples write the same text.
    parts = (instance, job.casefold(), lineage, str(attempt))
    return BatchKey(str(uuid.uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts))))


def instance_tag(instance: str) -> str:
    return f"orc-instance={instance}"


def batch_tag(key: BatchKey) -> str:
    return f"orc-batch={key}"


def item_tag(seq: int) -> str:
    return f"orc-item={seq}"


def read_tag(tags: list[str], name: str) -> str | None:
    """The value of our tag `orc-<name>` among a platform's tags; None when it is not there."""
    prefix = f"orc-{name}="
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)


def halves_of(lineage: str) -> tuple[str, str]:
    """The lineages of the two batches that `lineage` is split into."""
    return f"{lineage}.1", f"{lineage}.2"


def depth_of(lineage: str) -> int:
    """How many splits led to it."""
    return lineage.count(".")


def retry_lineage(number: int) -> str:
    """The lineage of a batch that sends items again, which were sent before in other batches."""
    return f"r{number}"


def echo_lineage(number: int) -> str:
    """The lineage of a batch that sends items again because nobody can tell whether their failure was real."""
    return f"e{number}"


def is_echo(lineage: str) -> bool:
    """Whether a batch, or what it was split from, has an `echo_lineage`."""
    return lineage.startswith("e")
