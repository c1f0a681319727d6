"""Composes the report of a job from the database, while the job runs or after its end."""

import anyio.to_thread

from orchestrator.clock import Micros
from orchestrator.domain.model import Job
from orchestrator.engine.report.context import Context
from orchestrator.engine.report.outcome import Outcome
from orchestrator.store.store import Store


async def compose_report(store: Store, job: Job, context: Context, *, now: Micros) -> bytes:
    """The page as it is now."""
    from orchestrator.engine.report.page import STEPS_SHOWN, render  # noqa: PLC0415 - its library is loaded when needed

    outcome, batches = Outcome(job, now, context.link), 0
    async for chunk in store.batches.stream(job.id):
        batches += len(chunk)
    async for items in store.items.stream(job.id):
        outcome.add(items)
    steps = await store.history.steps(job.id, limit=STEPS_SHOWN + 1)
    return await anyio.to_thread.run_sync(lambda: render(job, outcome, context, batches=batches, now=now, steps=steps))
