"""JSON objects that are sent to a platform, or kept of what it says.

In what is sent, numbers keep the digits that they were written with; so one that no float can hold (1E+400) passes too.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec

from orchestrator.domain.model import Item

EXACT: Final = msgspec.json.Decoder(Any, float_hook=Decimal)
"""Reads any JSON value as what is sent is read, to compare the two."""
as_json: Final = msgspec.json.Encoder(decimal_format="number").encode
"""Writes a value, its keys in their own order."""
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def object_in(body: bytes | str) -> dict[str, Any]:
    """An object that was, or is to be, sent."""
    return _OBJECT.decode(body)


def request_of(item: Item) -> dict[str, Any]:
    """The item's own object.

    Raises:
        ValueError: it has none.
    """
    if item.request is None:
        raise ValueError(f"item {item.key!r} has no request")
    return object_in(item.request)


def facts_of(**fields: object) -> str | None:
    """A JSON object of the fields that hold anything; None for none."""
    held = {name: value for name, value in fields.items() if value not in (None, {}, [], "")}
    return as_json(held).decode() if held else None
