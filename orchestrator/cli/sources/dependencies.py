"""Describes the dependencies of a job."""

from orchestrator.domain.model import Job
from orchestrator.store.store import Store


async def awaited(store: Store, job: Job) -> str:
    """The jobs that this one starts after, each with its state: `a: succeeded, b: no such job yet`."""
    names = job.spec.after.jobs if job.spec.after else ()
    known = await store.jobs.known(names)
    found = {name: known.get(name.casefold()) for name in names}
    return ", ".join(f"{name}: {each.state if each else 'no such job yet'}" for name, each in found.items())
