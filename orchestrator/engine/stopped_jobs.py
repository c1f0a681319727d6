"""Reports the jobs of which nothing more is submitted."""

from collections.abc import Callable

from orchestrator.domain.model import Needs
from orchestrator.store.changes import JobChanged
from orchestrator.telemetry.events import Event, JobStopped


def report_stopped(publish: Callable[[Event], None]) -> Callable[[JobChanged], None]:
    """What the store calls for each job that changed."""

    def report(job: JobChanged) -> None:
        if job.needs is Needs.STOPPED and job.needed is not Needs.STOPPED:
            publish(JobStopped(job.account, job.name, job.detail or ""))

    return report
