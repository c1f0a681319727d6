"""Studies and their versions."""

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.odm.protocol.call import Asked, json
from orchestrator.simulator.odm.protocol.errors import FORBIDDEN, NOT_FOUND, Refusal
from orchestrator.simulator.odm.work.naming import Outcome, fate_of
from orchestrator.simulator.odm.world import World

_MOST = 2000
_MILLISECOND = 1_000


class Studies:
    """Reads studies."""

    def __init__(self, world: World) -> None:
        self._world = world

    def listing(self, asked: Asked) -> Reply:
        """GET /api/v1/as-user/studies."""
        limit, offset = asked.number("pageLimit", _MOST, _MOST), asked.number("pageOffset", 0, 10**9)
        known = sorted(self._world.studies)
        rows = [{"genestack:accession": accession} for accession in known[offset : offset + limit]]
        pagination = {"count": len(rows), "total": len(known), "offset": offset, "limit": limit}
        return json({"meta": {"pagination": pagination}, "data": rows})

    def versions(self, asked: Asked) -> Reply:
        """GET /api/v1/as-curator/studies/{study}/versions: those that are there, the latest first."""
        if fate_of(asked.ids["study"]).outcome is Outcome.PRIVATE:
            raise Refusal(FORBIDDEN)
        study = self._world.study(asked.ids["study"])
        if study is None:
            raise Refusal(NOT_FOUND)
        return json(
            [
                {
                    "author": version.author,
                    "message": version.message,
                    "timestamp": version.wall // _MILLISECOND,
                    "version": f"{study.accession}.{version.number}",
                }
                for version in reversed(study.versions)
                if version.shown <= asked.at
            ]
        )
