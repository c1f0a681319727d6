"""The daemon, started by a test that gives it a faster clock: the only thing in which it differs from `run`.

python daemon.py --config FILE --pace PACE [--timeouts TIMES] [--until-idle] [--toy]
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import anyio
from fasttime import FastClock, Pace, fast_loop

from orchestrator.app import run_daemon
from orchestrator.cli.commands.run import logging_bus
from orchestrator.platforms import registry
from orchestrator.settings import load

SUPPORT = Path(__file__).parents[2] / "support"


def main() -> None:
    """Run until a signal, or until nothing moves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--pace", type=Pace.parse, required=True)
    parser.add_argument("--timeouts", type=float, help="how many times shorter than usual; if not given, by the pace")
    parser.add_argument("--until-idle", action="store_true")
    parser.add_argument("--toy", action="store_true", help="also support the toy platform of the tests")
    asked = parser.parse_args()
    platforms = with_toy() if asked.toy else registry.PLATFORMS
    settings = load(asked.config, os.environ, for_daemon=True, platforms=platforms)
    timeouts = asked.timeouts or asked.pace.timeouts
    clock = FastClock(asked.pace, loop_speed=timeouts)
    bus, lines = logging_bus(settings)
    run = partial(run_daemon, settings, bus=bus, until_idle=asked.until_idle, clock=clock)
    try:
        anyio.run(run, backend_options={"loop_factory": fast_loop(timeouts)})
    finally:
        if lines is not None:
            lines.close()


def with_toy() -> registry.Platforms:
    """The platforms of this version, and the toy."""
    sys.path.insert(0, str(SUPPORT))
    from toy.declared import PLATFORM

    return registry.load([PLATFORM])


if __name__ == "__main__":
    main()
