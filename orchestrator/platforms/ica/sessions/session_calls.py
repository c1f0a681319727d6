"""The requests about workflow sessions. Values only."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from orchestrator.platforms.http.calls import Call
from orchestrator.platforms.ica.protocol.media import V3
from orchestrator.platforms.ica.protocol.requests import by_cursor, by_offset, get, post, project

_SESSIONS: Final = "workflowSessions:search"
_ANALYSES: Final = "analysis:search"


def sessions(project_id: str, statuses: Sequence[str], size: int, token: str | None) -> Call:
    """A page of the sessions with one of these statuses, or with any where there are none: each once, unordered."""
    return _search(f"{project(project_id)}/{_SESSIONS}", statuses, by_cursor(size, token), route=_SESSIONS)


def ended_sessions(project_id: str, statuses: Sequence[str], size: int, offset: int) -> Call:
    """The same, the latest end first."""
    return _search(f"{project(project_id)}/{_SESSIONS}", statuses, _by_end(size, offset), route=_SESSIONS)


def analyses(project_id: str, statuses: Sequence[str], size: int, token: str | None) -> Call:
    """A page of the project's analyses with one of these statuses."""
    return _search(f"{project(project_id)}/{_ANALYSES}", statuses, by_cursor(size, token), route=_ANALYSES)


def ended_analyses(project_id: str, statuses: Sequence[str], size: int, offset: int) -> Call:
    """The same, the latest end first."""
    return _search(f"{project(project_id)}/{_ANALYSES}", statuses, _by_end(size, offset), route=_ANALYSES)


def orchestrated(project_id: str, session_id: str, size: int, token: str | None) -> Call:
    """A page of the analyses of one session."""
    path = f"{_session(project_id, session_id)}/analyses:search"
    return _search(path, (), by_cursor(size, token), route="workflowSessions/analyses:search")


def inputs(project_id: str, session_id: str) -> Call:
    """What went into a session."""
    return get(f"{_session(project_id, session_id)}/inputs", V3, {}, route="workflowSessions/inputs")


def configurations(project_id: str, session_id: str) -> Call:
    """How a session was configured."""
    return get(f"{_session(project_id, session_id)}/configurations", V3, {}, route="workflowSessions/configurations")


def _session(project_id: str, session_id: str) -> str:
    return f"{project(project_id)}/workflowSessions/{quote(session_id, safe='')}"


def _by_end(size: int, offset: int) -> dict[str, str]:
    return by_offset(size, offset, "endDate desc")


def _search(path: str, statuses: Sequence[str], params: Mapping[str, str], *, route: str) -> Call:
    return post(path, {"status": list(statuses)} if statuses else {}, params, route=route)
