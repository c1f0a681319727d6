"""Intake for a world of the engine tests: files without a folder, and the planner of jobs that are made of rows."""

import json
from pathlib import Path
from typing import Any

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.admission import Admission, Admitted
from orchestrator.intake.rows.rows_planner import RowsPlanner
from orchestrator.intake.validation.check import check
from orchestrator.platforms.registry import KINDS
from orchestrator.store.store import Store


class Rows:
    """Takes files in, and plans jobs once their rows are there."""

    def __init__(self, world: Any, **accounts: AccountLimits) -> None:
        self._world = world
        self._accounts = accounts or {world.setup.name: AccountLimits(world.setup.name, 5000)}
        self.events: list[Any] = []
        self._drops = 0

    @property
    def store(self) -> Store:
        store: Store = self._world.store
        return store

    async def drop(self, *jobs: dict[str, Any], controls: Any = (), written: tuple[str, str] = ("", "")) -> Any:
        """Take a file in, each job with the text of its table as `_table`; fails where it is refused.

        `written`: a part of its text, and what stands there instead.
        """
        self._drops += 1
        folder = Path(self._world.folder)
        tables = {job["table"]: job.pop("_table") for job in jobs if "_table" in job}
        path = folder / f"f{self._drops}.json"
        text = json.dumps({"version": 1, "jobs": list(jobs), "controls": list(controls)})
        path.write_text(text.replace(*written) if written[0] else text)
        for name, table in tables.items():
            (folder / name).write_text(table)
        admission = Admission(self.store.jobs, self.store.advance, self._accounts, self._world.clock)
        with await check(path, self._accounts) as report:
            assert not report.mistakes, [str(each) for each in report.mistakes]
            admitted = await admission.admit(report, f"drop {self._drops}")
        assert isinstance(admitted, Admitted), [str(each) for each in admitted]
        return admitted

    def planner(self, **given: Any) -> RowsPlanner[Any]:
        """A planner as a starting daemon makes it."""
        parts = {"planned_rows": self.store.planned_rows, "jobs": self.store.jobs, "items": self.store.items} | given
        return RowsPlanner(
            **parts,
            accounts=self._accounts,
            kinds=KINDS,
            clock=self._world.clock,
            publish=self.events.append,
        )

    async def plan(self) -> None:
        """One turn of it."""
        await self.planner().turn()
