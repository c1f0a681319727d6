"""What the page of a job says about its future: why it waits, its last error, its next poll, its expected end."""

from dataclasses import dataclass

from orchestrator.clock import Micros
from orchestrator.domain.model import Job
from orchestrator.web.served import Shown, ShownAccount


@dataclass(frozen=True, slots=True)
class Outlook:
    """Everything is None or empty where it is not known."""

    reasons: tuple[str, ...] = ()
    unchanged_since: Micros | None = None
    next_poll: Micros | None = None
    last_error: str | None = None
    expected_end: Micros | None = None


async def read_outlook(shown: Shown, job: Job, account: ShownAccount | None) -> Outlook:
    """The outlook of one job; `account` is its account, if it is connected."""
    if job.state.settled:
        return Outlook()
    store = shown.store
    reasons = [job.detail] if job.detail else []
    for name, state in (await store.job_search.waited_for(job.id)).items():
        reasons.append(f"waits for {name}: {state or 'not queued yet'}")
    if account is not None:
        if account.dispatch.refusal is not None:
            reasons.append(f"the account is closed: {account.dispatch.refusal}")
        if waits := await store.standstill.waits_for(job, account.settings.limits.open_items):
            reasons.append(waits)
    return Outlook(
        tuple(reasons),
        unchanged_since=await store.standstill.unchanged_since(job),
        last_error=account.dispatch.last_error if account is not None else None,
    )
