"""The command line: one small file a group of commands."""

import gc
import sys


def main() -> None:
    """Run one command.

    What the program is made of stays until its end. The garbage collector would walk it time and again: while it is
    imported, which then takes a sixth longer, and at moments when others wait. So it is kept out of its sight.
    """
    gc.disable()
    from orchestrator.cli import program  # noqa: PLC0415 - imports nearly everything: not before the line above

    app = program.build(sys.argv[1:])
    gc.freeze()
    gc.enable()
    program.run(app)
