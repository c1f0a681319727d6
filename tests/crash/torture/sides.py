"""The platforms that can be tortured."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from chance import Tortured
from platforms import ica_chance, ica_judge, odm_chance, odm_judge, seven_bridges_chance, seven_bridges_judge


def _tortured(name: str, drawn: ModuleType, judged: ModuleType, **more: Any) -> Tortured:
    """A platform by the modules that draw for it and judge it."""
    return Tortured(
        name=name,
        knobs=drawn.knobs,
        account=drawn.account,
        faults=drawn.faults,
        kinds=drawn.KINDS,
        simulate=drawn.simulate,
        judge=judged.judge,
        help=judged.help_with,
        **more,
    )


CALM = {"cursor_seconds": 86_400.0, "token_seconds": 86_400.0}
"""In calm, time runs so fast that a shorter life of either would end before it can be used."""
_ALL = (
    _tortured("ica", ica_chance, ica_judge, calm=CALM),
    _tortured("sevenbridges", seven_bridges_chance, seven_bridges_judge),
    _tortured("odm", odm_chance, odm_judge),
)
PLATFORMS: Mapping[str, Tortured] = {each.name: each for each in _ALL}
