"""ODM: one account, with what it does for each kind of work."""

from orchestrator.clock import Clock
from orchestrator.platforms.by_kind import ByKind
from orchestrator.platforms.declaration import Secret
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.odm.account import Header
from orchestrator.platforms.odm.followed_tasks import FollowedTasks
from orchestrator.platforms.odm.import_jobs import ImportJobs
from orchestrator.platforms.odm.publication_search import PublicationSearch
from orchestrator.platforms.odm.publications import Publications
from orchestrator.platforms.odm.session import Session


def connect(*, remote: Remote, secret: Secret, header: Header, instance: str, clock: Clock) -> ByKind:
    """An account on ODM. `instance` names this installation in what it creates."""
    session = Session(remote, secret, header, clock)
    search = PublicationSearch(session, instance)
    return ByKind(session, [Publications(session, search, clock), ImportJobs(session), FollowedTasks(session)])
