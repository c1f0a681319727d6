"""The audit log: who published what. Only for users with a permission of its own."""

from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.odm.protocol.call import Asked, json
from orchestrator.simulator.odm.protocol.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Refusal
from orchestrator.simulator.odm.protocol.times import of_event, parsed
from orchestrator.simulator.odm.work.objects import AuditEvent
from orchestrator.simulator.odm.world import World

_MOST = 2000
_DAYS_BACK = 30 * 86_400 * 1_000_000
_TYPE = "STUDY_VERSION_PUBLISHED"


class Audit:
    """Reads the log, the newest event first."""

    def __init__(self, world: World) -> None:
        self._world = world

    def listing(self, asked: Asked) -> Reply:
        """GET /api/v1/audit/events: `from` is exclusive, `to` inclusive, `cursor` the last event of the page before."""
        world = self._world
        if world.knobs.audit != "permitted":
            raise Refusal(FORBIDDEN if world.knobs.audit == "forbidden" else NOT_FOUND)
        to = parsed(text) if (text := asked.query("to")) else world.wall_at(asked.now)
        since = parsed(text) if (text := asked.query("from")) else to - _DAYS_BACK
        rows = [event for event in reversed(world.events) if event.at <= asked.at and since < event.wall <= to]
        rows = [event for event in rows if asked.query("studyAccession") in (None, event.study)]
        if asked.query("eventType") not in (None, _TYPE):
            rows = []
        limit, begin = asked.number("pageLimit", _MOST, _MOST), _after(rows, asked.query("cursor"))
        shown = rows[begin : begin + limit]
        return json(
            {
                "timeRange": {"from": of_event(since), "to": of_event(to)},
                "cursor": shown[-1].id if begin + limit < len(rows) else None,
                "events": [self._show(event) for event in shown],
            }
        )

    def _show(self, event: AuditEvent) -> dict[str, Any]:
        details = {"versionMessage": event.message} if self._world.knobs.audit_messages else {}
        return {
            "id": event.id,
            "type": _TYPE,
            "createTime": of_event(event.wall),
            "user": {"id": 1, "displayName": event.user, "email": f"{event.user}@example.org"},
            "clientIp": "127.0.0.1",
            "source": "API",
            "sourceType": "API",
            "studyAccession": event.study,
            "target": {"dataType": "STUDY", "id": event.study},
            "details": details,
            "result": {"status": "SUCCESS", "statusCode": 200},
        }


def _after(rows: list[AuditEvent], cursor: str | None) -> int:
    """The place after the event that the cursor names; raises Refusal 400 for one that names none."""
    if cursor is None:
        return 0
    for place, event in enumerate(rows):
        if event.id == cursor:
            return place + 1
    raise Refusal(BAD_REQUEST, f"No such cursor: {cursor}")
