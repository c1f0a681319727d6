"""Builds the daemon from its components, runs it, and stops it on a signal."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

import anyio
import anyio.abc
import anyio.from_thread

from orchestrator import __version__
from orchestrator.clock import Clock, SystemClock
from orchestrator.connections import ConnectedAccount, ConnectionContext, SecretReaders, connect, connect_webhooks
from orchestrator.domain.model import Job, JobState
from orchestrator.domain.polling.targets import PollTargets
from orchestrator.durable import OWN_DRAFT
from orchestrator.engine.backups import BackupPlan, Backups
from orchestrator.engine.dispatch import Dispatch, Limits
from orchestrator.engine.loop import Loop, Part, kept_running
from orchestrator.engine.polling.forecast import Forecasts
from orchestrator.engine.polling.poller import Poller
from orchestrator.engine.polling.schedule import Schedule
from orchestrator.engine.report.context import context_of
from orchestrator.engine.results import Results
from orchestrator.engine.retry_delays import RetryDelays, engine_retry_delays
from orchestrator.engine.shared_users import Users
from orchestrator.engine.steps.aborting import Aborting
from orchestrator.engine.steps.submitting import Submitting
from orchestrator.engine.stopped_jobs import report_stopped
from orchestrator.engine.unsynced import report_unsynced
from orchestrator.engine.upkeep import Upkeep
from orchestrator.intake.directory.moves import Folders, SpoolSettings, prove_moves
from orchestrator.intake.limits import account_limits, webhook_terms
from orchestrator.intake.rows.rows_planner import RowsPlanner
from orchestrator.intake.spool import Spool
from orchestrator.platforms.http.clock_skew import any_trusted
from orchestrator.settings import Settings
from orchestrator.settings.state import make_state_directory
from orchestrator.store.database.lock import DaemonLock
from orchestrator.store.store import Store
from orchestrator.store.writing.jobs.planned_rows import PlannableJob
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import DaemonStarted, DaemonStopping, Event, SchemaUpgrading
from orchestrator.telemetry.metrics import Metrics
from orchestrator.telemetry.service_manager import Notifier
from orchestrator.web.components import Shown, ShownAccount
from orchestrator.web.listening import listening, serve
from orchestrator.web.monitoring.health import LONGEST_TURN

IDLE_CHECK = 0.2
"""Seconds between two checks whether the daemon is idle, with `--until-idle`."""

MOST_DELIVERIES = 8
"""Attempts to write a result, over some minutes, after which `--until-idle` stops waiting for it."""

LONGEST_NOTICES = 60.0
"""Seconds for which `--until-idle` waits for webhooks once nothing else is left to do."""

LONGEST_REFUSAL = 60.0
"""Seconds for which a credential is refused, after which `--until-idle` stops waiting for its account."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """The work that is left when the daemon is idle: an operator has to act on it."""

    jobs: Sequence[Job] = ()
    """Jobs that are not settled."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Queue files that a local error prevents from being read: path → reason."""
    results: Mapping[str, str] = field(default_factory=dict)
    """Results that cannot be written: job name → reason."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Accounts with unfinished jobs whose credential the platform refuses: name → reason."""
    webhooks: Mapping[str, str] = field(default_factory=dict)
    """Notices that were not delivered: job and event → reason."""


async def run_daemon(
    settings: Settings,
    *,
    bus: Bus[Event],
    until_idle: bool = False,
    clock: Clock | None = None,
    notifier: Notifier | None = None,
    secrets: SecretReaders | None = None,
    lost_log_lines: Callable[[], int] = lambda: 0,
) -> Leftovers:
    """Run until SIGTERM or SIGINT or, with `until_idle`, until only an operator can make progress.

    Args:
        settings: the configuration.
        bus: receives every event.
        until_idle: return once nothing is left that progresses by itself.
        clock: the clock of every component; the system's by default.
        notifier: notifies the service manager of the daemon's state.
        secrets: read secrets again; without it, those in `settings` are never replaced.
        lost_log_lines: returns the number of log lines that were lost, for the metrics.

    Returns:
        The work that is left for an operator; empty after a signal.

    Raises:
        LockedError: another daemon holds this state.
        SettingsError: the server cannot listen on its port.
        StoreError: the database cannot be used; the message says how to fix it.
    """
    left, notifier = Leftovers(), notifier or Notifier()
    async with daemon(settings, bus=bus, clock=clock, secrets=secrets, lost_log_lines=lost_log_lines) as running:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(_stop_on_signal, bus, scope)
                running.start()
                notifier.ready()
                running.keep_running("watchdog", partial(_notify_watchdog, running, notifier))
                if until_idle:
                    left = await running.until_idle()
                    bus.publish(DaemonStopping("idle: only an operator can make further progress"))
                    scope.cancel()
        notifier.stopping()
    return left


async def _notify_watchdog(running: "Daemon", notifier: Notifier) -> None:
    """Notify the service manager's watchdog, as long as every loop completes its iterations in time."""
    while notifier.watchdog_interval is not None:
        if all(loop.overdue <= LONGEST_TURN for loop in running.loops):
            notifier.watchdog()
        await running.clock.sleep(notifier.watchdog_interval)


async def _stop_on_signal(bus: Bus[Event], scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            bus.publish(DaemonStopping(signal.Signals(number).name))
            scope.cancel()
            return


@dataclass
class Daemon:
    """The running daemon and its components."""

    store: Store
    spool: Spool
    clock: Clock
    bus: Bus[Event]
    group: anyio.abc.TaskGroup
    retry_delays: RetryDelays
    dispatches: list[Dispatch] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)

    def add(self, part: Part) -> Loop:
        """Give a part its loop."""
        loop = Loop(part, clock=self.clock, bus=self.bus, retry_delays=self.retry_delays)
        self.loops.append(loop)
        return loop

    def start(self) -> None:
        """Start every loop and the intake."""
        for loop in self.loops:
            self.group.start_soon(loop.run)
        self.keep_running("intake", self.spool.run)

    def keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a task beside the loops. What it raises ends no other: it is reported, and the task is started again."""
        self.group.start_soon(
            partial(kept_running, name, run, clock=self.clock, bus=self.bus, retry_delays=self.retry_delays)
        )

    def wake(self) -> None:
        """Wake every loop after a change."""
        for loop in self.loops:
            loop.wake()

    async def until_idle(self) -> Leftovers:
        """Return once the daemon is idle, after a final scan of the queue directory."""
        while not await self._idle():
            await self.clock.sleep(IDLE_CHECK)
        await self._wait_for_notices()
        unsettled = [job for state in JobState if not state.settled for job in await self.store.jobs.list(state)]
        waiting = {job.spec.account for job in unsettled}
        refused = {name: reason for name, reason in self._refused().items() if name in waiting}
        undelivered = {
            f"{each.job_name}: {each.notice} (round {each.round})": each.last_error or "not sent yet"
            for each in await self.store.notices.undelivered()
        }
        results = await self.store.outbox.failing(MOST_DELIVERIES)
        return Leftovers(unsettled, self.spool.kept_back, results, refused, undelivered)

    async def _wait_for_notices(self) -> None:
        latest = self.clock.monotonic() + LONGEST_NOTICES
        while (await self.store.notices.counts())[0] and self.clock.monotonic() < latest:
            await self.clock.sleep(IDLE_CHECK)

    async def _idle(self) -> bool:
        if any(dispatch.busy for dispatch in self.dispatches) or not await self.spool.rescan():
            return False
        limits = {each.account: each.open_items for each in self.dispatches}
        if await self.store.moving(besides=self._refused(), open_items=limits):
            return False
        return not await self.store.outbox.pending(MOST_DELIVERIES)

    def _refused(self) -> Mapping[str, str]:
        return {
            each.account: each.refusal
            for each in self.dispatches
            if each.refused_for >= LONGEST_REFUSAL and each.refusal is not None
        }


@asynccontextmanager
async def daemon(
    settings: Settings,
    *,
    bus: Bus[Event],
    clock: Clock | None = None,
    random: Random | None = None,
    secrets: SecretReaders | None = None,
    lost_log_lines: Callable[[], int] = lambda: 0,
) -> AsyncIterator[Daemon]:
    """Build the daemon without starting its loops; leaving the context stops everything.

    Raises:
        LockedError, SettingsError, StoreError: as `run_daemon`.
    """
    clock = clock or SystemClock()
    random = random or SystemRandom()
    state = make_state_directory(settings)
    prove_moves(settings.queue.directory)
    async with AsyncExitStack() as stack:
        lock = await stack.enter_async_context(DaemonLock(state, settings.database.url))
        listener = stack.enter_context(listening(settings.server.listen)) if settings.server is not None else None
        metrics = Metrics(clock, lost_log_lines)
        bus.subscribe(metrics)

        def report(table: str, done: int, total: int) -> None:  # called by the thread of the upgrade
            anyio.from_thread.run_sync(bus.publish, SchemaUpgrading(table, done, total))

        opening = Store.opened(settings.database.url, state_directory=state, progress=report, fence=lock.fence)
        store = await stack.enter_async_context(opening)
        store.time_with(metrics.timed)
        store.advance.job_changed = report_stopped(bus.publish)
        instance = await store.memory.instance(settings.instance)
        unconfirmed = await store.advance.recover(clock.now())
        context = ConnectionContext(state, instance, store, clock, bus, random, secrets or SecretReaders())
        accounts = [
            await connect(name, account, settings.platforms[account.platform], context, stack)
            for name, account in settings.accounts.items()
        ]
        spool = _spool(settings, state, store, clock, bus)
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(lock.watch, clock)
        built = Daemon(store, spool, clock, bus, group, engine_retry_delays(random))
        built.keep_running("folders", partial(report_unsynced, [state, *Folders(settings.queue.directory).all], bus))
        users = Users({account.name: account.settings.base_url for account in accounts})
        for account in accounts:
            _add_dispatch(built, account, users)
        results = settings.queue.directory / "results"
        built.add(
            Results(
                directory=results,
                store=store,
                clock=clock,
                bus=bus,
                retry_delays=built.retry_delays,
                context=partial(context_of, settings),
            )
        )
        built.add(_upkeep(settings, accounts, store, clock, bus))
        webhooks = connect_webhooks(settings, context, group, stack)
        webhooks.wake = built.add(webhooks).wake
        backups = _backups(settings, clock, bus)
        if backups is not None:
            built.add(backups)
        spool.changed = built.wake
        planner = _rows_planner(settings, state, built)
        planner.changed = built.wake
        built.add(planner)
        if listener is not None:
            shown_accounts = _shown(accounts, built)
            shown = Shown(settings, instance, store, spool, built.loops, shown_accounts, metrics, clock, bus, backups)
            built.keep_running("server", partial(serve, listener, shown))
        bus.publish(DaemonStarted(__version__, instance, tuple(settings.accounts), unconfirmed))
        yield built
        group.cancel_scope.cancel()


# ---------------------------------------------------------------- the accounts


def _add_dispatch(built: Daemon, account: ConnectedAccount, users: Users) -> None:
    store, clock, bus, settings = built.store, built.clock, built.bus, account.settings
    budget, platform = account.budget, account.platform
    forecasts = Forecasts(account.memory)
    dispatch = Dispatch(
        account=account.name,
        limits=Limits(open_items=settings.limits.open_items, max_interval=settings.poll.max_interval),
        platform=platform,
        limiter=budget,
        schedule=Schedule(
            PollTargets(settings.poll.min_interval, settings.poll.max_interval),
            budget.budget_state,
        ),
        forecasts=forecasts,
        submitting=Submitting(
            platform=platform, skew=account.skew, store=store, clock=clock, bus=bus, pauses=built.retry_delays
        ),
        polling=Poller(account=account.name, platform=platform, forecasts=forecasts, store=store, clock=clock, bus=bus),
        aborting=Aborting(account=account.name, platform=platform, store=store, clock=clock, bus=bus),
        store=store,
        clock=clock,
        bus=bus,
        retry_delays=built.retry_delays,
        group=built.group,
        contact=account.contact,
        users=users,
    )
    built.add(dispatch)
    dispatch.wake = built.wake
    built.dispatches.append(dispatch)


def _shown(accounts: Sequence[ConnectedAccount], built: Daemon) -> Sequence[ShownAccount]:
    return [
        ShownAccount(account.name, account.settings, account.budget, account.skew, dispatch)
        for account, dispatch in zip(accounts, built.dispatches, strict=True)
    ]


def _upkeep(
    settings: Settings, accounts: Sequence[ConnectedAccount], store: Store, clock: Clock, bus: Bus[Event]
) -> Upkeep:
    queue, retention = settings.queue.directory, settings.retention
    return Upkeep(
        settled_jobs=retention.settled_jobs,
        drafts=dict.fromkeys((queue / "incoming", queue / "results"), OWN_DRAFT),
        files={queue / "accepted": retention.accepted_files, queue / "rejected": retention.rejected_files},
        clock_trusted=lambda: any_trusted(account.skew for account in accounts),
        store=store,
        clock=clock,
        bus=bus,
    )


def _backups(settings: Settings, clock: Clock, bus: Bus[Event]) -> Backups | None:
    backup = settings.backup
    if backup is None:
        return None
    plan = BackupPlan(backup.directory, backup.interval, backup.keep)
    return Backups(plan, url=settings.database.url, clock=clock, bus=bus)


# ---------------------------------------------------------------- the queue directory


def _rows_planner(settings: Settings, state: Path, built: Daemon) -> RowsPlanner[PlannableJob]:
    return RowsPlanner(
        planned_rows=built.store.planned_rows,
        jobs=built.store.jobs,
        items=built.store.items,
        accounts=account_limits(settings),
        kinds=settings.platforms.kinds,
        clock=built.clock,
        publish=built.bus.publish,
        scratch=state,
        started=lambda: built.spool.prepared,
    )


def _spool(settings: Settings, state: Path, store: Store, clock: Clock, bus: Bus[Event]) -> Spool:
    queue = settings.queue
    return Spool(
        SpoolSettings(
            directory=queue.directory,
            scan_interval=queue.scan_interval,
            rest=queue.rest,
            max_bytes=queue.max_bytes,
            scratch=state,
            webhooks=webhook_terms(settings),
        ),
        jobs=store.jobs,
        controls=store.advance,
        accounts=account_limits(settings),
        kinds=settings.platforms.kinds,
        clock=clock,
        publish=bus.publish,
    )
