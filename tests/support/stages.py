"""The stages of the first platform's items, as an enumeration that tests can walk through."""

from enum import StrEnum

from orchestrator.domain import model
from orchestrator.platforms.ica import stages


class Stage(StrEnum):
    """What an item's status speaks of."""

    CREATION = model.CREATION
    ANALYSIS = stages.ANALYSIS
    LINK = stages.LINK
