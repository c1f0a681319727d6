"""`simulator`: serves the simulated platforms."""

import os
import signal
from contextlib import AsyncExitStack
from typing import Annotated

import anyio
import typer

from orchestrator.cli.invocation import fail, output, run_async
from orchestrator.simulator import serve
from orchestrator.simulator.registry import PLATFORMS, SideBySide

Port = Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 selects a free one.", min=0, max=65535)]
Seed = Annotated[int, typer.Option(help="Random seed.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulator")(simulator)


def simulator(port: Port = 8090, seed: Seed = 0) -> None:
    """Serve the simulated platforms on this machine until stopped. Their API key is `simulator`."""

    async def act() -> None:
        platforms = {name: make(seed) for name, make in PLATFORMS.items()}
        async with AsyncExitStack() as stack:
            try:
                root = await stack.enter_async_context(serve(SideBySide(platforms.values()), port=port))
            except OSError as error:
                why = os.strerror(error.errno) if error.errno else str(error)
                fail(f"cannot listen on 127.0.0.1:{port} ({why}): choose another --port; 0 selects a free one")
            for name, platform in platforms.items():
                output().print(f"base_url: {root}{platform.base_path}  # platform: {name}", soft_wrap=True)
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for _ in signals:
                    output().print("stopped")
                    return

    run_async(act)
