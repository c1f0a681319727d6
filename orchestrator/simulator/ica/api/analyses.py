"""Analyses one by one and in searches, and their abortion."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica.protocol import session_json, wire
from orchestrator.simulator.ica.protocol.bodies import Search, read
from orchestrator.simulator.ica.protocol.call import Asked, known
from orchestrator.simulator.ica.protocol.matching import matches
from orchestrator.simulator.ica.protocol.paging import spoilt
from orchestrator.simulator.ica.protocol.problems import BAD_REQUEST, Problem
from orchestrator.simulator.ica.protocol.sorting import sort_rows
from orchestrator.simulator.ica.work.entities import Analysis
from orchestrator.simulator.ica.world import World
from orchestrator.simulator.ledger import Effect

_NO_TIME = float("-inf")


class AnalysisReads:
    """What can be asked about analyses, and the one thing that can be done to them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def search(self, asked: Asked) -> Reply:
        """POST analysis:search: always in the V4 form, whatever the version of the request."""
        search = read(asked.request.body, Search)
        return self._listing(asked, search, search.status or (), wire.V4)

    def listing(self, asked: Asked) -> Reply:
        """GET analyses: deprecated, in the V3 form, with filters in the query."""
        query = asked.request.query
        search = Search(
            reference=_first(query.get("reference")),
            user_reference=_first(query.get("userreference")),
            user_tags=query.get("usertag"),
            technical_tags=query.get("technicaltag"),
            reference_tags=query.get("referencetag"),
        )
        return self._listing(asked, search, query.get("status", ()), wire.V3)

    def get(self, asked: Asked) -> Reply:
        """GET analyses/{analysis}."""
        row = self._find(asked)
        body = self.shown(row, asked.at, asked.version)
        return asked.json(body, ETag=f'"{row.id}-{row.timeline.stage(asked.at)}"')

    def abort(self, asked: Asked) -> Reply:
        """POST analyses/{analysis}:abort: begins now, is done later."""
        row = self._find(asked)
        if row.ended(asked.now):
            raise Problem(BAD_REQUEST, f"An analysis with status {row.status(asked.now)} cannot be aborted")
        self._world.ledger.record(
            [Effect("abort", row.id, row.project, row.user_reference, row.tags.technical, asked.now, None)]
        )
        if row.status(asked.now) != "ABORTING":
            self._world.analyses.change(row, row.timeline.aborted(asked.now, self._world.knobs.abort_seconds))
        return Reply(204)

    def shown(self, row: Analysis, at: float, version: int) -> bytes:
        """An analysis as it was at the instant `at`, with its workflow session where the knob says so."""
        knobs, session = self._world.knobs, b"null"
        if row.session is not None and knobs.sessions_named and version == wire.V4:
            session = session_json.session(row.session, at, version)
        return wire.analysis(row, at, version, null_empty=knobs.null_lists, session=session)

    def _find(self, asked: Asked) -> Analysis:
        row = self._world.analyses.get(asked.project, asked.ids["analysis"])
        return known(row if row is not None and row.exists(asked.at) else None, "The analysis")

    def _listing(self, asked: Asked, search: Search, statuses: Iterable[str], version: int) -> Reply:
        world, knobs = self._world, self._world.knobs
        at = asked.at - knobs.search_lag
        wanted = partial(
            matches, search=search, statuses=frozenset(statuses), version=version, at=at, tag_filter=knobs.tag_filter
        )

        def find() -> Sequence[Analysis]:
            candidates = world.analyses.candidates(asked.project, search, knobs.tag_filter, at)
            rows = [row for row in candidates if wanted(row)]
            if knobs.page_order == "shuffled":
                world.order(asked.project).shuffle(rows)
            return sort_rows(rows, asked.request, sort_keys(at))

        place = f"{asked.project}/{version}/{asked.request.body!r}{sorted(statuses)}"
        page = world.cursors.page(asked.request, place, find, knobs, asked.now).only(wanted)
        page = spoilt(page, asked.fault)
        shown = (self.shown(row, at, version) for row in page.rows)
        return asked.json(wire.page(shown, page.rest, null_empty=knobs.null_lists))


def sort_keys(at: float) -> dict[str, Callable[[Analysis], Any]]:
    """What analyses can be sorted by."""
    return {
        "reference": lambda row: row.reference,
        "userReference": lambda row: row.user_reference,
        "pipeline": lambda row: row.pipeline,
        "status": lambda row: row.status(at),
        "startDate": lambda row: _reached(row.timeline.since("INITIALIZING"), at),
        "endDate": lambda row: _reached(row.timeline.ends, at),
        "summary": lambda row: row.status(at).startswith("FAILED"),
    }


def _reached(instant: float | None, at: float) -> float:
    return instant if instant is not None and instant <= at else _NO_TIME


def _first(values: Sequence[str] | None) -> str | None:
    return values[0] if values else None
