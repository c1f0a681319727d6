"""The program, for `forkserver.py`: as `python -m orchestrator`, with the modules of `run` imported beforehand."""

import orchestrator.cli.commands.run
import orchestrator.cli.program  # noqa: F401 - what `main` imports late
from orchestrator.cli import main

__all__ = ["main"]
