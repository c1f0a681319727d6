"""`GET /metrics`: reads how things stand, and shows it with what was counted."""

import anyio.to_thread
from starlette.responses import Response

from orchestrator.clock import SECOND
from orchestrator.store.errors import StoreError
from orchestrator.store.wal import wal_bytes
from orchestrator.telemetry.metrics import CONTENT_TYPE, AccountReading, BackupReading, Readings, StoreReading
from orchestrator.web.recent import Recent
from orchestrator.web.shown import Shown, ShownAccount

_KEEP, _PATIENCE = 1.0, 5.0


class Scrape:
    """Reads the gauges. The database is asked for counters it keeps, never for items; `run` has to run beside."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._store = Recent(self._count, clock=shown.clock, keep=_KEEP, patience=_PATIENCE)

    async def run(self) -> None:
        """Ask the database when somebody scrapes, for ever."""
        await self._store.run()

    async def metrics(self) -> Response:
        """Metrics for Prometheus."""
        accounts = {account.name: self._read(account) for account in self._shown.accounts}
        readings = Readings(accounts, await self._counts(), self._backup())
        return Response(self._shown.metrics.render(readings), headers={"Content-Type": CONTENT_TYPE})

    def _backup(self) -> BackupReading | None:
        backups = self._shown.backups
        return None if backups is None else BackupReading(backups.newest, backups.interval)

    async def _counts(self) -> StoreReading | None:
        try:
            return await self._store.get()
        except (StoreError, TimeoutError):
            return None  # shown as a gauge of its own; what is known without the database is shown all the same

    async def _count(self) -> StoreReading:
        store = self._shown.store
        return StoreReading(
            items=await store.jobs.item_counts(),
            jobs=await store.jobs.unsettled_counts(),
            unconfirmed=await store.batches.unconfirmed(),
            unchanged_since=await store.standstill.oldest(),
            wal_bytes=await anyio.to_thread.run_sync(wal_bytes, self._shown.settings.database.url),
        )

    def _read(self, account: ShownAccount) -> AccountReading:
        clock, view, looked = self._shown.clock, account.budget.snapshot(), account.dispatch.oldest_look
        since = None if looked is None else clock.now() - round((clock.monotonic() - looked) * SECOND)
        return AccountReading(
            limit=view.limit,
            used=view.used,
            window=view.window,
            waiting={lane.value: held.waiting for lane, held in view.lanes.items()},
            closed=account.dispatch.refusal is not None,
            oldest_look=since,
            skew=account.skew.seconds,
            failing=account.dispatch.failing_for,
        )
