"""One round: work is dropped, the platforms fail in every way, daemons die; then calm, rest, and the judge."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from chance import Plan, Work
from ground import CALM_SPEED, Ground
from judge import judge
from verdict import Verdict

MOST_HELP = 8
"""Times that a person comes to the help of jobs that need one before a round counts as failed."""
PATIENCE = 3
"""Times that a job which waits for a person is looked at again before it is given up."""
ANOTHER_LOOK = 2.0
"""Real seconds (fast: minutes) for which a daemon goes on looking at what waits for a person."""
AT_MOST = 600.0
"""Real seconds after which a daemon in calm that does not come to rest ends the round instead of hanging."""


@dataclass
class Outcome:
    """What a round came to."""

    seed: int
    kills: int = 0
    starts: int = 0
    helped: int = 0
    """Times that a person was needed, and came."""
    blocked: Counter[str] = field(default_factory=Counter)
    """Batches that were blocked when the operator came, by kind."""
    faults: Counter[str] = field(default_factory=Counter)
    verdict: Verdict = field(default_factory=Verdict)
    broke: str | None = None
    """Why there is no verdict."""
    folder: str = ""

    @property
    def wrong(self) -> list[str]:
        return [*([f"broke: {self.broke}"] if self.broke else []), *self.verdict.wrong]

    def as_json(self) -> dict[str, Any]:
        counted = {"faults": dict(self.faults), "blocked": dict(self.blocked)}
        return {**asdict(replace(self, verdict=Verdict())), **counted, "verdict": self.verdict.as_json()}


async def play(plan: Plan, folder: Path) -> Outcome:
    """Play one round to its verdict; what breaks on the way is part of the outcome."""
    outcome = Outcome(plan.seed, folder=str(folder))
    ground = Ground(folder, plan)
    async with ground.open():
        try:
            await _chaos(ground, outcome)
            await _calm(ground, outcome)
            outcome.verdict = judge(ground, await ground.documents())
        except (TimeoutError, RuntimeError) as error:
            outcome.broke = f"{type(error).__name__}: {error}"
        ground.set_faults(None)
        outcome.faults = ground.struck
    return outcome


async def _chaos(ground: Ground, outcome: Outcome) -> None:
    """Drop the work in portions, each followed by a daemon that dies."""
    plan = ground.plan
    chance = random.Random(plan.seed + 1)
    waiting = list(plan.work)
    for name, text in plan.broken.items():
        ground.drop(name, text)
    for number, kill in enumerate(plan.kills):
        last = number == len(plan.kills) - 1
        for _ in range(len(waiting) if last else min(len(waiting), chance.randint(number == 0, 2))):
            ground.drop_work(waiting.pop(0))
        ground.set_faults(number)
        outcome.starts += 1
        outcome.kills += await ground.run_until(kill)
        for work in _to_cancel(ground):
            if chance.random() < 0.5:
                ground.drop_control(f"cancel-{work.name}", "cancel", work.name)
        if chance.random() < 0.2:
            again = chance.choice(plan.work)
            if f"{again.name}.json" in ground.names("accepted") and again.table is None:
                ground.drop_work(again)  # a file dropped twice is harmless
    for work in waiting:
        ground.drop_work(work)
    ground.set_faults(None)


def _to_cancel(ground: Ground) -> list[Work]:
    """What shall not come to its end and was not cancelled yet. Only what was taken in can be cancelled."""
    taken, dropped = ground.names("accepted"), ground.names("incoming")
    return [
        work
        for work in ground.plan.work
        if work.doomed and f"{work.name}.json" in taken and f"cancel-{work.name}.json" not in taken | dropped
    ]


async def _calm(ground: Ground, outcome: Outcome) -> None:
    """No more faults, no more kills; time runs on quickly. What waits for a person gets one."""
    ground.clock.change(CALM_SPEED)
    for site in ground.sites.values():
        site.simulator.change_knobs(dict(site.side.platform.calm))
    if any(work.doomed for work in ground.plan.work):  # some of it may never end by itself
        outcome.starts += 1
        await ground.run_for(ANOTHER_LOOK)
        for work in _to_cancel(ground):
            ground.drop_control(f"cancel-{work.name}", "cancel", work.name)
    for time in range(MOST_HELP):
        outcome.starts += 1
        await ground.run_to_rest(AT_MOST)
        unsettled = [doc["job"] for doc in (await ground.documents()).values() if doc["job"]["settled_at"] is None]
        if not unsettled:
            return
        if any(job["needs"] == "attention" for job in unsettled):
            outcome.starts += 1
            await ground.run_for(ANOTHER_LOOK)
        documents = await ground.documents()
        for job in unsettled:
            blocked = sum(batch["state"] == "blocked" for batch in documents[job["name"]]["batches"])
            outcome.blocked[job["kind"]] += blocked
            for number, control in enumerate(_help(ground, documents[job["name"]], time)):
                [(verb, what)] = control.items()
                outcome.helped += verb not in {"cancel", "resume"}
                ground.drop_control(f"{verb}-{time}-{number}-{job['name']}", verb, what)


def _help(ground: Ground, document: Mapping[str, Any], time: int) -> Sequence[Mapping[str, Any]]:
    """What an operator would ask for: what was to be cancelled is cancelled, and what is blocked continues.

    What needs attention is cancelled once it has shown that it never gets any, and given up where that ends nothing.
    """
    job = document["job"]
    doomed = any(work.name == job["name"] and work.doomed for work in ground.plan.work)
    lasting = job["needs"] == "attention" and time >= PATIENCE
    if lasting and time > PATIENCE:
        return [{"give-up": job["name"]}]
    if doomed or lasting:
        return [{"cancel": job["name"]}]
    if job["needs"] == "stopped":
        return [{"resume": job["name"]}]
    site = ground.sites[job["kind"].partition(".")[0]]
    return site.side.platform.help(site, document) if job["needs"] == "blocked" else ()
