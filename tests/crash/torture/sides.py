"""The platforms that can be tortured."""

from collections.abc import Mapping

import ica_chance
import ica_judge
import seven_bridges_chance
import seven_bridges_judge
from chance import Tortured

ICA = Tortured(
    name="ica",
    knobs=ica_chance.knobs,
    account=ica_chance.account,
    faults=ica_chance.faults,
    work=ica_chance.work,
    simulate=ica_chance.simulate,
    judge=ica_judge.judge,
    help=ica_judge.help_with,
    calm={"cursor_seconds": 600.0},  # the shortest would pass before a page can be turned
)

SEVEN_BRIDGES = Tortured(
    name="sevenbridges",
    knobs=seven_bridges_chance.knobs,
    account=seven_bridges_chance.account,
    faults=seven_bridges_chance.faults,
    work=seven_bridges_chance.work,
    simulate=seven_bridges_chance.simulate,
    judge=seven_bridges_judge.judge,
    help=seven_bridges_judge.help_with,
)

PLATFORMS: Mapping[str, Tortured] = {each.name: each for each in (ICA, SEVEN_BRIDGES)}
