"""The platforms that can be demonstrated; the first one is demonstrated where none is named."""

from collections.abc import Mapping
from typing import Final

from orchestrator.cli.showcase.demonstration import Demonstration
from orchestrator.cli.showcase.ica_demo import ICA
from orchestrator.cli.showcase.odm_demo import ODM
from orchestrator.cli.showcase.seven_bridges_demo import SEVEN_BRIDGES

DEMONSTRATIONS: Final[Mapping[str, Demonstration]] = {each.platform: each for each in (ICA, SEVEN_BRIDGES, ODM)}
