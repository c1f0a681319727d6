"""What a batch is to send, or has sent."""

from orchestrator.domain.model import Batch
from orchestrator.domain.submission import Submission


def prepared(batch: Batch) -> Submission:
    """The submission that was stored with the batch before anything was sent.

    Raises ValueError for a batch without one: only kinds that send nothing have such batches.
    """
    if batch.submission is None:
        raise ValueError(f"batch {batch.id} has nothing to send")
    return batch.submission
