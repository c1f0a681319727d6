"""What all jobs on ICA have in common."""

import random
from typing import Any

PROJECT = "6e0a1d4c-2a52-4c0b-9d53-0f5f3f6f7a10"
BUNDLE = "9d2b7f60-1c43-4c57-8a0e-3b7d1f5a6c22"
PIPELINE = "0b1c2d3e-4f50-4162-8374-95a6b7c8d9e0"


def job(chance: random.Random, name: str, kind: str, project: str) -> dict[str, Any]:
    """A job without its items."""
    drawn: dict[str, Any] = {"name": name, "kind": kind, "account": "ica", "project": project}
    drawn["priority"] = chance.randint(0, 9)
    if chance.random() < 0.2:
        drawn["max_open"] = chance.randint(5, 50)
    return drawn
