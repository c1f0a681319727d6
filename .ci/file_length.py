"""Fail when a Python file is longer than it should be: such a file does more than one thing."""

import subprocess
import sys
from pathlib import Path


def main(most: int) -> int:
    """Print each file over `most` lines; the exit status says whether there was one."""
    tracked = subprocess.run(["git", "ls-files", "*.py"], capture_output=True, text=True, check=True).stdout.split()  # noqa: S607 - git is wherever the developer has it
    lengths = {name: len(Path(name).read_text().splitlines()) for name in tracked if Path(name).exists()}
    long = {name: length for name, length in lengths.items() if length > most}
    for name, length in sorted(long.items()):
        sys.stdout.write(f"{name}: {length} lines, over {most}: split it along what it does\n")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
