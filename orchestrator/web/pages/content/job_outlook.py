"""What the page of a job says about its future: why it waits, its last error, its next poll, its expected end."""

from orchestrator.domain.model import Job
from orchestrator.engine.outlook.why import Why, why
from orchestrator.web.components import Shown, account_now


async def read_outlook(shown: Shown, job: Job) -> Why:
    """The outlook of one job."""
    connected = next((each for each in shown.accounts if each.name == job.spec.account), None)
    return await why(
        shown.store,
        job,
        open_items=shown.open_items.get(job.spec.account),
        account=account_now(connected, shown.clock) if connected is not None else None,
        now=shown.clock.now(),
    )
