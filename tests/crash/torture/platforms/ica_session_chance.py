"""Workflow sessions that ICA launches by itself, and jobs that follow them."""

import random
from typing import Any

from chance import Work, how_many, word
from platforms.ica_jobs import PROJECT, job

from orchestrator.simulator.ica import Knobs

WORDS = ("fail", "failfinal", "abort", "await", "odd", "slow")
WITHIN = 300.0
"""Seconds from the beginning of a round in which sessions are launched."""
UNTIL = "+30m"
"""Later than that, and than ICA's searches are behind, however soon the job is accepted."""


def sessions(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    """A selector, and sessions that are named although the selector shows them too."""
    doomed = chance.random() < 0.15
    words, tag = (*WORDS, "stuck") if doomed else WORDS, f"{name}-night"
    runs = how_many(chance, 3, 25, share)
    events = [
        {
            "begin_session": {
                "project": PROJECT,
                "user_reference": f"{name}/run{n}-{word(chance, words)}",
                "analyses": [f"a{m}-{word(chance, WORDS)}" for m in range(chance.randint(0, 5))],
                "after": chance.uniform(0, WITHIN),
                "technical_tags": [tag],
            }
        }
        for n in runs
    ]
    items: list[dict[str, Any]] = [{"id": n} for n in runs if chance.random() < 0.2]
    selector = {"name": f"{name} night", "technicalTags": [tag], "until": UNTIL}
    keys = (*(str(item["id"]) for item in items), selector["name"])
    document = job(chance, name, "ica.workflow_session", PROJECT) | {"items": [*items, selector]}
    document.pop("max_open", None)
    return Work(document, keys, doomed=doomed, events=events)
