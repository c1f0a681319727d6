"""`/accounts`: budget, requests, open items and credential of each account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.clock import Micros
from orchestrator.platforms.http.contact import LONG
from orchestrator.platforms.rate_limit.limiter import LimiterView
from orchestrator.web.components import Shown, ShownAccount, failing_since
from orchestrator.web.pages.content.request_history import LANE_NAMES, Chart, RequestHistory
from orchestrator.web.pages.site import Site


@dataclass(frozen=True, slots=True)
class AccountCard:
    """One account."""

    name: str
    platform: str
    base_url: str
    budget: LimiterView
    waiting: Mapping[str, int]
    """Requests that wait for the budget, by the name of their lane; those without any are left out."""
    open_items: int
    open_limit: int
    refusal: str | None
    closed_because: str | None
    failing_since: Micros | None
    last_error: str | None
    skew: float | None
    paused: str | None
    chart: Chart

    @property
    def budget_text(self) -> str:
        """What the gauge shows, in words."""
        return f"{self.budget.used:,} of {self.budget.limit:,} requests used in {self.budget.window:g} s"

    @property
    def open_text(self) -> str:
        """The same of the items on the platform."""
        return f"{self.open_items:,} of {self.open_limit:,} items on the platform"


class AccountPage:
    """The page of all accounts."""

    def __init__(self, site: Site, shown: Shown, history: RequestHistory) -> None:
        self._site = site
        self._shown = shown
        self._history = history

    async def get(self, request: Request) -> Response:
        """The page."""
        return await self._site.page(request, "accounts.html", self._read, live=True)

    async def _read(self) -> Mapping[str, Any]:
        return {"section": "accounts", "accounts": [await self._card(each) for each in self._shown.accounts]}

    async def _card(self, account: ShownAccount) -> AccountCard:
        store, dispatch, view = self._shown.store, account.dispatch, account.budget.snapshot()
        return AccountCard(
            name=account.name,
            platform=self._shown.settings.platforms[account.settings.platform].title,
            base_url=account.settings.base_url,
            budget=view,
            waiting={LANE_NAMES[lane]: held.waiting for lane, held in view.lanes.items() if held.waiting},
            open_items=await store.batches.open_items(account.name),
            open_limit=account.settings.limits.open_items,
            refusal=dispatch.refusal,
            closed_because=dispatch.closed_because,
            failing_since=failing_since(account, self._shown.clock, least=LONG),
            last_error=dispatch.last_error,
            skew=account.skew.seconds if account.skew.known else None,
            paused=await store.memory.paused(account.name),
            chart=self._history.chart(account.name),
        )
