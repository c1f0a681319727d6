"""Jobs that follow workflow sessions, in a world on the simulated ICA."""

import json
from dataclasses import replace
from typing import Any

from platform_setups import ICA

from orchestrator.domain.model import Item, JobSpec, NewItem
from orchestrator.platforms.ica.sessions.following import KIND
from orchestrator.platforms.registry import KINDS

SESSIONS = replace(ICA, kinds={**ICA.kinds, "sessions": KIND})
NOBODY = "99999999-2222-3333-4444-555555555555"
"""The id of no session."""


async def follow(it: Any, *items: dict[str, Any], name: str = "run", batch_size: int = 100) -> None:
    """A job of these items, as intake hands it to the store."""
    kind = KINDS[KIND]
    given = {"kind": KIND, "account": it.setup.name, "project": it.project, "digest": f"of {name}"}
    stage = {"first_stage": kind.first_stage, "follow_only": kind.follow_only, "batch_size": batch_size}
    job = await it.store.jobs.load(JobSpec(name=name, **given, **stage), it.clock.now())
    rows = [NewItem(seq, kind.key_of(item), json.dumps(item).encode()) for seq, item in enumerate(items, 1)]
    await it.store.jobs.add_items(job, rows)
    await it.store.jobs.commit([job], it.clock.now())


def begin(it: Any, user_reference: str, *analyses: str, **more: Any) -> str:
    """A session on the simulated platform, which orchestrates these analyses; returns its id."""
    session: str = it.simulator.begin_session(it.project, user_reference, analyses, **more)
    return session


async def shown(it: Any, name: str = "run") -> dict[str, str]:
    """Each item by what people know it by: the reference of a session or analysis, the name of a selector."""
    items = (await it.items(name)).values()
    return {reference(item): str(item.state) for item in items if not item.superseded}


def reference(item: Item) -> str:
    """What people know an item by."""
    known: str | None = json.loads(item.facts or "{}").get("userReference")
    return known or item.key
