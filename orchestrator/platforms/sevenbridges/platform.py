"""The Seven Bridges Platform: one account, with what it does for each kind of work."""

from orchestrator.clock import Clock
from orchestrator.platforms.by_kind import ByKind, Work
from orchestrator.platforms.declaration import ItemsOf, Secret, SentBesides, no_items, nothing_else
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.sevenbridges.files import file_jobs
from orchestrator.platforms.sevenbridges.files.drs_imports import DrsImports
from orchestrator.platforms.sevenbridges.files.exports import Exports
from orchestrator.platforms.sevenbridges.files.file_jobs import FileJobs
from orchestrator.platforms.sevenbridges.files.file_updates import FileUpdates
from orchestrator.platforms.sevenbridges.files.imports import Imports
from orchestrator.platforms.sevenbridges.files.transfers import Transfers
from orchestrator.platforms.sevenbridges.session import Session
from orchestrator.platforms.sevenbridges.tasks.automations import Automations
from orchestrator.platforms.sevenbridges.tasks.task_polls import TaskPolls
from orchestrator.platforms.sevenbridges.tasks.task_search import TaskSearch
from orchestrator.platforms.sevenbridges.tasks.tasks import Tasks


def connect(
    *,
    remote: Remote,
    secret: Secret,
    instance: str,
    page_size: int,
    clock: Clock,
    sent_besides: SentBesides = nothing_else,
    items_of: ItemsOf = no_items,
) -> ByKind:
    """An account on Seven Bridges. `instance` names this installation in what it creates."""
    session = Session(remote, secret, clock)
    started_at = clock.now()
    polls = TaskPolls(session, page_size, clock)
    works: list[Work] = [
        Tasks(session, instance, TaskSearch(session, instance, page_size), polls),
        Transfers(Imports(), session, page_size, clock, started_at, sent_besides, items_of),
        Transfers(Exports(), session, page_size, clock, started_at, sent_besides, items_of),
        *(
            FileJobs(verb, session, page_size, started_at, sent_besides)
            for verb in (file_jobs.COPY, file_jobs.MOVE, file_jobs.DELETE)
        ),
        FileUpdates(session),
        DrsImports(session, page_size),
        Automations(session, page_size, polls),
    ]
    return ByKind(session, works)
