"""The `sort` parameter: `field`, `field desc`, several with commas between."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from orchestrator.simulator.exchange import Request
from orchestrator.simulator.ica.protocol.problems import BAD_REQUEST, Problem

Row = TypeVar("Row")


def sort_rows(rows: Sequence[Row], request: Request, keys: Mapping[str, Callable[[Row], Any]]) -> Sequence[Row]:
    """The rows in the order that `request` asks for; raises Problem 400 for a field that cannot be sorted by."""
    for clause in reversed(",".join(request.query.get("sort", ())).split(",")):
        field, _, direction = clause.strip().partition(" ")
        if not field:
            continue
        if field not in keys or direction.strip() not in ("", "asc", "desc"):
            raise Problem(BAD_REQUEST, f"Cannot sort by '{clause.strip()}'")
        rows = sorted(rows, key=keys[field], reverse=direction.strip() == "desc")
    return rows
