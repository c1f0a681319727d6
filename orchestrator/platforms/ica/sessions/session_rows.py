"""What is read of workflow sessions and their analyses, and what it means for the items that follow them."""

from typing import Final

import msgspec

from orchestrator.domain.model import BatchKey, ItemReport
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.json_bodies import UNREADABLE, read
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.batches.analyses import moment
from orchestrator.platforms.ica.protocol.wire import Analysis, PageReader, Wire
from orchestrator.platforms.ica.statuses import ANALYSIS
from orchestrator.platforms.status_table import state_of

_MOST_FACTS: Final = 64 * 1024
"""Bytes of a session's inputs, or of its configurations, that are kept with it."""


class _Workflow(Wire):
    code: str | None = None


class _Tags(Wire):
    """The tags of a session: unlike those of an analysis, any of them may be null."""

    technical_tags: list[str | None] | None = None
    user_tags: list[str | None] | None = None


class SessionRow(Wire):
    """A workflow session, from a search."""

    id: str
    status: str
    user_reference: str | None = None
    time_created: str | None = None
    end_date: str | None = None
    summary: str | None = None
    workflow: _Workflow | None = None
    tags: _Tags | None = None


class _SessionId(Wire):
    id: str | None = None


class FollowedAnalysis(Analysis):
    """An analysis that may name the session which orchestrates it."""

    workflow_session: _SessionId | None = None


class OrchestratedRow(Wire):
    """A row of a session's analyses."""

    analysis: FollowedAnalysis


class _Listed(Wire):
    items: msgspec.Raw = msgspec.Raw(b"null")


SESSIONS: Final = PageReader(SessionRow)
ANALYSES: Final = PageReader(FollowedAnalysis)
ORCHESTRATED: Final = PageReader(OrchestratedRow)
_LISTED: Final = msgspec.json.Decoder(_Listed)


def listed(answer: Answer) -> str | None:
    """The inputs or configurations in an answer, as JSON; None where they are too many to keep, or cannot be read.

    Raises:
        Transient: the body is not what was asked for.
    """
    items = bytes(read(answer, _LISTED).items)
    if len(items) > _MOST_FACTS:
        return None
    try:
        msgspec.json.decode(items)  # results and pages decode them
        return items.decode()
    except UNREADABLE:
        return None


def session_report(row: SessionRow, address: BatchKey, *, parent: int | None) -> ItemReport:
    """What a search says of a session. An end is a hint: what belongs to the session is to be read first."""
    state, known = state_of(row.status, ANALYSIS)
    return ItemReport(
        batch=address,
        stage=stages.SESSION,
        state=state,
        status=row.status,
        key=row.id,
        remote_id=row.id,
        hint=state.final,
        known_status=known,
        parent=parent,
        facts=facts_of(row) if parent is not None else None,
        to_job=True,
    )


def analysis_report(
    row: Analysis, address: BatchKey, *, parent: int | None = None, parent_key: str | None = None
) -> ItemReport:
    """What is said of an analysis below a session: its number where it is known, else the session's id."""
    state, known = state_of(row.status, ANALYSIS)
    return ItemReport(
        batch=address,
        stage=stages.ANALYSIS,
        state=state,
        status=row.status,
        key=row.id,
        remote_id=row.id,
        detail=(row.summary or None) if state.final else None,
        finished_at=moment(row.end_date) if state.final else None,
        known_status=known,
        parent=parent,
        parent_key=parent_key,
        facts=_json({"userReference": row.user_reference}) if row.user_reference else None,
        to_job=True,
    )


def facts_of(row: SessionRow, **more: str | None) -> str:
    """What is worth knowing of a session besides its status; `more`: parts that are JSON already."""
    known: dict[str, object] = {
        "userReference": row.user_reference,
        "workflow": row.workflow.code if row.workflow is not None else None,
        "timeCreated": row.time_created,
    }
    return _json(known | {name: msgspec.Raw((text or "null").encode()) for name, text in more.items()})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
