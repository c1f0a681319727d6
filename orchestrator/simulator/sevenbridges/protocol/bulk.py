"""Bulk calls: up to a hundred rows, each of which succeeds or fails by itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges import quirks
from orchestrator.simulator.sevenbridges.protocol.call import Asked
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, UNAVAILABLE, Refusal
from orchestrator.simulator.sevenbridges.world import World

Item = TypeVar("Item")


def rows_of(asked: Asked, world: World, key: str) -> Sequence[Any]:
    """The list that a bulk call carries; raises Refusal 400 when it is missing, empty or too long."""
    rows = asked.body().get(key)
    if not isinstance(rows, list) or not rows:
        raise Refusal(BAD_REQUEST, f"{key} must be a list that is not empty.")
    if len(rows) > world.knobs.bulk_items:
        raise Refusal(BAD_REQUEST, f"{key} may have at most {world.knobs.bulk_items} elements.")
    return rows


def bulk(asked: Asked, world: World, rows: Sequence[Any], each: Callable[[Any], Mapping[str, Any]]) -> Reply:
    """Answer row by row: `each` gives the resource, or raises Refusal for its row alone."""
    middle = len(rows) // 2
    answers = [
        {"error": Refusal(UNAVAILABLE).body()}
        if number == middle and asked.strikes(quirks.ROW_ERROR)
        else attempt(each, row)
        for number, row in enumerate(rows)
    ]
    if asked.strikes(quirks.ROW_VANISHES):
        del answers[middle]
    return asked.json({"items": in_order(asked, world, answers)})


def attempt(each: Callable[[Item], Mapping[str, Any]], row: Item) -> dict[str, Any]:
    """One row of an answer."""
    try:
        return {"resource": each(row)}
    except Refusal as refusal:
        return {"error": refusal.body()}


def in_order(asked: Asked, world: World, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """As sent, or shuffled where a knob or a quirk says so."""
    ordered = list(rows)
    if world.knobs.result_order == "shuffled" or asked.strikes(quirks.SHUFFLED):
        world.order(f"{asked.arrival.name}{len(rows)}").shuffle(ordered)
    return ordered
