"""The platforms that can be tortured."""

from collections.abc import Mapping

from chance import Tortured
from platforms import ica_chance, ica_judge, odm_chance, odm_judge, seven_bridges_chance, seven_bridges_judge

ICA = Tortured(
    name="ica",
    knobs=ica_chance.knobs,
    account=ica_chance.account,
    faults=ica_chance.faults,
    kinds=ica_chance.KINDS,
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
    kinds=seven_bridges_chance.KINDS,
    simulate=seven_bridges_chance.simulate,
    judge=seven_bridges_judge.judge,
    help=seven_bridges_judge.help_with,
)

ODM = Tortured(
    name="odm",
    knobs=odm_chance.knobs,
    account=odm_chance.account,
    faults=odm_chance.faults,
    kinds=odm_chance.KINDS,
    simulate=odm_chance.simulate,
    judge=odm_judge.judge,
    help=odm_judge.help_with,
)

PLATFORMS: Mapping[str, Tortured] = {each.name: each for each in (ICA, SEVEN_BRIDGES, ODM)}
