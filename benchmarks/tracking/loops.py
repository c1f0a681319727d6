"""The loop that one writes with libica: page after page of batch after batch, until it is refused, then as told.

It runs against the same simulated platform as the daemon's own parts, in the same virtual time, and reads each page
with libica's models.
"""

import math
import sqlite3
from dataclasses import dataclass, field

import httpx
from libica.openapi.v3.models import AnalysisCreationBatchItemPagedListV4

from benchmarks.fleet import PER, Distant, Fleet
from benchmarks.virtual import LoopClock

_MEDIA = "application/vnd.illumina.v4+json"


@dataclass
class Asked:
    """What the loop did, and when."""

    at: list[float] = field(default_factory=list)
    """When each request was answered."""
    last_sweeps: list[float] = field(default_factory=list)
    """When each sweep began."""
    seen: dict[str, float] = field(default_factory=dict)
    """When each analysis was first seen to have succeeded, by its name."""
    refused: int = 0


async def page_by_page(fleet: Fleet, last_sweeps: int) -> Asked:
    """Read the items of all batches so often."""
    clock, asked = LoopClock(), Asked()
    await clock.sleep(PER)  # nothing that was asked before counts any more
    headers = {"X-API-Key": "simulator", "Accept": _MEDIA}
    async with httpx.AsyncClient(
        transport=Distant(fleet.simulator), base_url="http://ica/ica/rest", headers=headers
    ) as client:
        for _ in range(last_sweeps):
            asked.last_sweeps.append(clock.monotonic())
            for project, batch in _batches(fleet):
                await _read(client, f"/api/projects/{project}/analysisCreationBatch/{batch}/items", clock, asked)
        asked.last_sweeps.append(clock.monotonic())
    return asked


async def _read(client: httpx.AsyncClient, path: str, clock: LoopClock, asked: Asked) -> None:
    token: str | None = ""
    while token is not None:
        parameters = {"pageSize": "1000"} | ({"pageToken": token} if token else {})
        answer = await client.get(path, params=parameters)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            asked.refused += 1
            await clock.sleep(math.ceil(float(answer.headers["Retry-After"])))
            continue
        answer.raise_for_status()
        asked.at.append(clock.monotonic())
        page = AnalysisCreationBatchItemPagedListV4.from_json(answer.text)
        if page is None:
            raise AssertionError("libica read nothing")
        for item in page.items or ():
            analysis = item.created_analysis
            if analysis is not None and analysis.status == "SUCCEEDED":
                asked.seen.setdefault(str(analysis.user_reference), clock.monotonic())
        token = page.next_page_token or None


def _batches(fleet: Fleet) -> list[tuple[str, str]]:
    with sqlite3.connect(fleet.folder / "orchestrator.db") as database:
        rows = database.execute(
            "SELECT j.project, b.remote_id FROM batches b JOIN jobs j ON j.id = b.job ORDER BY b.number"
        ).fetchall()
    database.close()
    return rows
