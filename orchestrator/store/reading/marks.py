"""Lists as parameters of statements that are built once: places for eight values, sixteen and so on.

SQLAlchemy's own expanding parameters are written into the text of the statement at each execution.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

_STEP = 8
_NO_ID = ""
"""What no row has as its id."""

Mark = sa.BindParameter[Any]


def marks(name: str, places: int) -> list[Mark]:
    """The parameters of a list, for a statement."""
    return [sa.bindparam(f"{name}_{place}", type_=sa.Text) for place in range(places)]


def places_for(values: Sequence[str]) -> int:
    """How many places a statement needs for these values."""
    return -(-len(values) // _STEP) * _STEP


def placed(name: str, values: Sequence[str]) -> dict[str, str]:
    """The values of these parameters; places that are left over hold what is no id."""
    padded = [*values, *[_NO_ID] * (places_for(values) - len(values))]
    return {f"{name}_{place}": value for place, value in enumerate(padded)}
