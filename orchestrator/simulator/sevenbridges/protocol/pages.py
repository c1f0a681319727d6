"""Lists: `offset` and `limit`, links to the neighbours, the total in a header."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges import quirks
from orchestrator.simulator.sevenbridges.protocol.call import Asked
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, Refusal
from orchestrator.simulator.sevenbridges.world import World

MAX_LIMIT = 100
DEFAULT_LIMIT = 50

Row = TypeVar("Row")


def page(
    asked: Asked,
    world: World,
    rows: Sequence[Row],
    show: Callable[[Row], Mapping[str, Any]],
    *,
    default: int = DEFAULT_LIMIT,
) -> Reply:
    """The page of `rows` that was asked for; raises Refusal 400 for an impossible one."""
    offset = _number(asked, "offset", 0, 0, None)
    limit = _number(asked, "limit", default, 1, MAX_LIMIT)
    start = max(0, offset + _shift(asked, world, offset))
    shown = _spoilt(asked, list(rows[start : start + limit]))
    links = []
    if offset + limit < len(rows):
        links.append(_link(asked, offset + limit, limit, "next"))
    if offset > 0:
        links.append(_link(asked, max(0, offset - limit), limit, "prev"))
    document = {"href": _address(asked, offset, limit), "items": [show(row) for row in shown], "links": links}
    return replace(asked.json(document), headers={"X-Total-Matching-Query": str(len(rows))})


def _shift(asked: Asked, world: World, offset: int) -> int:
    """By how much the rows have moved since the page before: by turns one is missed and one is shown again."""
    if offset == 0:
        return 0
    if asked.strikes(quirks.ROWS_SHIFT):
        return 1
    if not world.knobs.pages_shift:
        return 0
    world.pages_read += 1
    return 1 if world.pages_read % 2 else -1


def _spoilt(asked: Asked, rows: list[Row]) -> list[Row]:
    middle = len(rows) // 2
    if rows and asked.strikes(quirks.ROW_VANISHES):
        return [*rows[:middle], *rows[middle + 1 :]]
    if rows and asked.strikes(quirks.TWICE_LISTED):
        return [*rows, rows[middle]]
    return rows


def _link(asked: Asked, offset: int, limit: int, rel: str) -> dict[str, str]:
    return {"href": _address(asked, offset, limit), "rel": rel, "method": "GET"}


def _address(asked: Asked, offset: int, limit: int) -> str:
    request = asked.arrival.request
    query = {name: values for name, values in request.query.items() if name not in ("offset", "limit")}
    path = request.path[request.path.index("/", 1) :]
    return asked.href(f"{path}?{urlencode({**query, 'offset': [offset], 'limit': [limit]}, doseq=True)}")


def _number(asked: Asked, name: str, default: int, least: int, most: int | None) -> int:
    text = asked.query(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
        raise Refusal(BAD_REQUEST, f"Invalid value for {name}: {text}")
    return int(text)
