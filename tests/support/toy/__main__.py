"""The program with the toy platform beside those of this version: `python -m toy run`."""

from orchestrator.cli import main
from orchestrator.platforms.registry import load
from toy.declared import PLATFORM

main(lambda: load([PLATFORM]))
