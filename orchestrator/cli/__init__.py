"""The command line interface."""

import gc
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.platforms.registry import Platforms


def main(load: "Callable[[], Platforms] | None" = None) -> None:
    """Run one command with the platforms that `load` returns; without it, with those of this version.

    The imported modules live until the process ends. Garbage collection would only traverse them again and again, which
    makes the import a sixth slower, so it is disabled during the import and the modules are frozen afterwards.
    """
    gc.disable()
    from orchestrator.cli import program  # noqa: PLC0415 - imports nearly everything: not before the line above

    arguments = sys.argv[1:]
    app = program.build(arguments) if load is None else program.build(arguments, load())
    gc.freeze()
    gc.enable()
    program.run(app)
