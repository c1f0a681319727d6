"""The simulated platforms, by the name that `platform:` gives them in a configuration."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from orchestrator.simulator import ica, odm, sevenbridges
from orchestrator.simulator.admin import PREFIX
from orchestrator.simulator.exchange import App, Connection, Receive, Reply, Scope, Send
from orchestrator.simulator.simulated import Simulated

AnySimulated = Simulated[Any, Any, Any]

PLATFORMS: Mapping[str, Callable[[int], AnySimulated]] = {
    "ica": lambda seed: ica.Simulator(ica.Config(seed=seed)),
    "odm": lambda seed: odm.Simulator(odm.Config(seed=seed)),
    "sevenbridges": lambda seed: sevenbridges.Simulator(sevenbridges.Config(seed=seed)),
}
"""Makes a platform from a seed."""

_NOT_FOUND = 404


class SideBySide:
    """Several platforms on one port, distinguished by base path; see `server.Served`."""

    base_path = ""

    def __init__(self, platforms: Iterable[AnySimulated]) -> None:
        self._platforms = list(platforms)
        self.app: App = self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        for platform in self._platforms:
            if f"{scope['path']}/".startswith(f"{platform.base_path}/"):
                await platform.app(scope, receive, send)
                return
        connection = Connection(scope, receive, send)
        if await connection.read() is not None:
            places = ", ".join(f"{platform.base_path}{PREFIX}" for platform in self._platforms)
            error = f"no platform is served here; each is steered below its base path: {places}"
            await connection.reply(Reply(_NOT_FOUND, msgspec.json.encode({"error": error})))
