"""Workflow sessions: searches, what belongs to each, and how one begins. There is no call that reads a single one."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica.api.analyses import AnalysisReads, sort_keys
from orchestrator.simulator.ica.protocol import session_json, wire
from orchestrator.simulator.ica.protocol.bodies import Search, read
from orchestrator.simulator.ica.protocol.call import Asked, known
from orchestrator.simulator.ica.protocol.matching import matches
from orchestrator.simulator.ica.protocol.paging import spoilt
from orchestrator.simulator.ica.protocol.problems import NOT_FOUND, Problem
from orchestrator.simulator.ica.protocol.sorting import sort_rows
from orchestrator.simulator.ica.work.entities import Analysis, Tags
from orchestrator.simulator.ica.work.workflow_sessions import WorkflowSession, course, course_within
from orchestrator.simulator.ica.world import World

LAUNCHER = "2f9e3a52-7f0c-4d0e-9a43-6d2c8f5b1a77"
"""Whom sessions belong to: no user of the API begins them."""
PIPELINE = "f606f580-d476-47a8-9679-9ddb39fcb0a8"
_WORKFLOW = "7c7d5f3a-0d8e-4f43-8f0c-1f2b3c4d5e6f"
_NO_TIME = float("-inf")


class WorkflowSessionReads:
    """What can be asked about workflow sessions."""

    def __init__(self, world: World, analyses: AnalysisReads) -> None:
        self._world = world
        self._analyses = analyses

    def search(self, asked: Asked) -> Reply:
        """POST workflowSessions:search: always in the V4 form."""
        search = read(asked.request.body, Search)
        return self._listing(asked, search, search.status or (), wire.V4)

    def listing(self, asked: Asked) -> Reply:
        """GET workflowSessions: deprecated, in the V3 form; 404 where the knob says so."""
        if not self._world.knobs.sessions_v3:
            raise Problem(NOT_FOUND, "No such endpoint")
        query = asked.request.query
        search = Search(
            user_reference=next(iter(query.get("userreference", ())), None),
            user_tags=query.get("usertag"),
            technical_tags=query.get("technicaltag"),
        )
        return self._listing(asked, search, query.get("status", ()), wire.V3)

    def orchestrated(self, asked: Asked) -> Reply:
        """POST workflowSessions/{session}/analyses:search."""
        session, search = self._find(asked), read(asked.request.body, Search)
        world, knobs, at = self._world, self._world.knobs, asked.at - self._world.knobs.search_lag
        wanted = partial(
            matches,
            search=search,
            statuses=frozenset(search.status or ()),
            version=wire.V4,
            at=at,
            tag_filter=knobs.tag_filter,
        )

        def find() -> Sequence[Analysis]:
            return sort_rows([row for row in session.analyses if wanted(row)], asked.request, sort_keys(at))

        place = f"{session.id}/{asked.request.body!r}"
        page = spoilt(world.cursors.page(asked.request, place, find, knobs, asked.now).only(wanted), asked.fault)
        rows = (session_json.orchestrated(row, session.id, self._analyses.shown(row, at, wire.V4)) for row in page.rows)
        return asked.json(wire.page(rows, page.rest, null_empty=knobs.null_lists))

    def inputs(self, asked: Asked) -> Reply:
        """GET workflowSessions/{session}/inputs."""
        return asked.json(session_json.inputs(self._find(asked)))

    def configurations(self, asked: Asked) -> Reply:
        """GET workflowSessions/{session}/configurations."""
        return asked.json(session_json.configurations(self._find(asked)))

    def _find(self, asked: Asked) -> WorkflowSession:
        row = self._world.sessions.get(asked.project, asked.ids["session"])
        return known(row if row is not None and row.exists(asked.at) else None, "The workflow session")

    def _listing(self, asked: Asked, search: Search, statuses: Iterable[str], version: int) -> Reply:
        world, knobs = self._world, self._world.knobs
        at = asked.at - knobs.search_lag
        wanted = partial(
            matches, search=search, statuses=frozenset(statuses), version=version, at=at, tag_filter=knobs.tag_filter
        )

        def find() -> Sequence[WorkflowSession]:
            rows = [row for row in world.sessions.of_project(asked.project) if wanted(row)]
            if knobs.page_order == "shuffled":
                world.order(asked.project).shuffle(rows)
            return sort_rows(rows, asked.request, _sort_keys(at))

        place = f"sessions/{asked.project}/{version}/{asked.request.body!r}{sorted(statuses)}"
        page = spoilt(world.cursors.page(asked.request, place, find, knobs, asked.now).only(wanted), asked.fault)
        shown = (session_json.session(row, at, version) for row in page.rows)
        return asked.json(wire.page(shown, page.rest, null_empty=knobs.null_lists))


def begin(
    world: World,
    project: str,
    user_reference: str,
    analyses: Sequence[str],
    *,
    after: float,
    technical_tags: Sequence[str],
    user_tags: Sequence[str],
) -> str:
    """A session that begins `after` seconds from now, and orchestrates an analysis for each of these names."""
    begins, knobs = world.clock.monotonic() + after, world.knobs
    session = WorkflowSession(
        id=world.new_id(),
        number=len(world.sessions),
        project=project,
        user=LAUNCHER,
        user_reference=user_reference,
        workflow=_WORKFLOW,
        tags=Tags(tuple(technical_tags), tuple(user_tags)),
        timeline=course(begins, user_reference, knobs, world.seed),
        wall=world.wall_at(begins),
    )
    for place, name in enumerate(analyses):
        timeline = course_within(session.timeline, name, place / len(analyses), knobs, world.seed)
        row = Analysis(
            id=world.new_id(),
            number=world.analyses.count(project),
            project=project,
            user=LAUNCHER,
            user_reference=f"{user_reference}/{name}",
            pipeline=PIPELINE,
            language="NEXTFLOW",
            tags=Tags(),
            timeline=timeline,
            wall=world.wall_at(timeline.begins),
            session=session,
        )
        session.analyses.append(row)
        world.analyses.add(row)
    world.sessions.add(session)
    return session.id


def _sort_keys(at: float) -> dict[str, Callable[[WorkflowSession], Any]]:
    def reached(instant: float | None) -> float:
        return instant if instant is not None and instant <= at else _NO_TIME

    return {
        "userReference": lambda row: row.user_reference,
        "status": lambda row: row.status(at),
        "startDate": lambda row: reached(row.timeline.since("INITIALIZING")),
        "endDate": lambda row: reached(row.timeline.ends),
        "summary": lambda row: row.status(at).startswith("FAILED"),
    }
