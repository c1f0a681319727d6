"""`GET /metrics`: the counters, and gauges that are read at each scrape."""

import anyio.to_thread
from starlette.responses import Response

from orchestrator.clock import SECOND
from orchestrator.store.database.wal import wal_bytes
from orchestrator.store.errors import StoreError
from orchestrator.telemetry.metrics import CONTENT_TYPE, AccountReading, BackupReading, Readings, StoreReading
from orchestrator.web.components import Shown, ShownAccount
from orchestrator.web.monitoring.cached_call import CachedCall

_KEEP, _PATIENCE = 1.0, 5.0


class Scrape:
    """Reads the gauges from stored counters, never by counting items. `run` must run in the background."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._store = CachedCall(self._count, clock=shown.clock, keep=_KEEP, patience=_PATIENCE)

    async def run(self) -> None:
        """Read the database for each scrape, until cancelled."""
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
            return None  # reported by a separate gauge; the other gauges are still shown

    async def _count(self) -> StoreReading:
        store = self._shown.store
        pending, given_up = await store.notices.counts()
        return StoreReading(
            items=await store.jobs.item_counts(),
            jobs=await store.jobs.unsettled_counts(),
            unconfirmed=await store.batches.unconfirmed(),
            unchanged_since=await store.standstill.oldest(),
            webhooks={"pending": pending, "given_up": given_up},
            wal_bytes=await anyio.to_thread.run_sync(wal_bytes, self._shown.settings.database.url),
        )

    def _read(self, account: ShownAccount) -> AccountReading:
        clock, view, polled = self._shown.clock, account.budget.snapshot(), account.dispatch.oldest_poll
        since = None if polled is None else clock.now() - round((clock.monotonic() - polled) * SECOND)
        return AccountReading(
            limit=view.limit,
            used=view.used,
            window=view.window,
            waiting={lane.value: held.waiting for lane, held in view.lanes.items()},
            closed=account.dispatch.refusal is not None,
            oldest_poll=since,
            skew=account.skew.seconds,
            failing=account.dispatch.failing_for,
        )
