"""Worlds whose platform is the simulated Seven Bridges."""

import pytest
from platform_setups import SEVEN_BRIDGES


@pytest.fixture
def lab(world):
    """Starts worlds on Seven Bridges."""

    async def build(**given):
        return await world(setup=SEVEN_BRIDGES, **given)

    return build
