"""Worlds on the simulated ODM, and what was made in them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from platform_setups import ODM


class Odm:
    """What tests ask of a world on ODM."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)

    async def submit(self, name: str, keys: list[str], *, kind: str = "imports", **spec: Any) -> None:
        """A job of this kind; every call takes one item."""
        await self.world.submit(name, keys, kind=kind, **({"batch_size": 1} | spec))

    def made(self, effect: str) -> dict[str, int]:
        """How often each name met this effect; the mark in the message of a publication is left out."""
        counted: dict[str, int] = {}
        for (kind, name), count in self.world.simulator.truth.made().items():
            if kind == effect:
                plain = name.partition(" (orc-batch=")[0]
                counted[plain] = counted.get(plain, 0) + count
        return counted

    async def until_needs(self, needs: str, name: str = "run", *, within: float = 3600.0) -> None:
        """Let the daemon work until the job is on hold for this reason."""

        async def on_hold() -> bool:
            return bool((await self.world.job(name)).needs == needs)

        await self.world.until(on_hold, within=within)


@pytest.fixture
def lab(world: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Odm]]:
    """Starts worlds on ODM."""

    async def build(**given: Any) -> Odm:
        return Odm(await world(setup=ODM, **given))

    return build
