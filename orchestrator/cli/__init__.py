"""The command line: one small file a group of commands."""

import gc
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.platforms.registry import Platforms


def main(load: "Callable[[], Platforms] | None" = None) -> None:
    """Run one command, for the platforms that `load` returns; without it, for those of this version.

    What the program is made of stays until its end. The garbage collector would walk it time and again: while it is
    imported, which then takes a sixth longer, and at moments when others wait. So it is kept out of its sight.
    """
    gc.disable()
    from orchestrator.cli import program  # noqa: PLC0415 - imports nearly everything: not before the line above

    words = sys.argv[1:]
    app = program.build(words) if load is None else program.build(words, load())
    gc.freeze()
    gc.enable()
    program.run(app)
