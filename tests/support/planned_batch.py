"""A batch as intake plans it: nothing of it was sent."""

from typing import Any

from orchestrator.domain.model import Batch, BatchState, JobId


def planned_batch(*, job: str, number: int, items: int, **fields: Any) -> Batch:
    """Batch `number` of a job, of `items` items that are all open; `fields` give what else is needed, or differs."""
    unsent: dict[str, Any] = {
        "job": JobId(job),
        "job_name": job,
        "engine": None,
        "number": number,
        "lineage": str(number),
        "attempt": 0,
        "state": BatchState.PLANNED,
        "items": items,
        "open": items,
        "creating": 0,
        "remote_id": None,
        "status": None,
        "status_final": False,
        "detail": None,
        "sends": 0,
        "first_sent_at": None,
        "sent_at": None,
        "submitted_at": None,
        "settled_at": None,
        "user": None,
        "searched_at": None,
    }
    return Batch(**(unsent | fields))
