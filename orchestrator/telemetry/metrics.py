"""The metrics for Prometheus: counters of events, and gauges that are read at each scrape.

Labels are accounts, routes, states and the like, never ids: the number of series is bounded by the configuration and
the code, independently of the number of jobs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from orchestrator import __version__
from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.domain.model import ItemState, JobState, Needs
from orchestrator.telemetry.events import (
    BatchSubmitted,
    CloseCause,
    ComponentError,
    ConnectionsClosed,
    DaemonStarted,
    Event,
    FileAccepted,
    FileDeferred,
    FileRejected,
    JobSettled,
    RequestDone,
    TaskBug,
    TaskRetry,
    UnexpectedKind,
    UnexpectedResponse,
)
from orchestrator.telemetry.webhook_events import WebhookDelayed, WebhookDelivered, WebhookGivenUp

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of `Metrics.render`."""

_PREFIX = "orchestrator"
_WAITS = (0.01, 0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600)
_REMOTE = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LOCAL = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


@dataclass(frozen=True, slots=True)
class AccountReading:
    """The state of one account at a scrape."""

    limit: int
    """Requests that may be counted in one window."""
    used: int
    """Requests of the window that are used or in progress."""
    window: float
    """Seconds."""
    waiting: Mapping[str, int]
    """Requests that wait for the rate limiter, by lane."""
    closed: bool
    """Whether the platform refuses the credential."""
    oldest_poll: Micros | None
    """When the least recently answered query was answered; None if there are no queries."""
    skew: float
    """Seconds by which this machine's clock is ahead of the platform's."""
    failing: float = 0.0
    """Seconds for which no request has succeeded; 0 while they do."""


@dataclass(frozen=True, slots=True)
class StoreReading:
    """Counts of the unsettled jobs in the database."""

    items: Mapping[tuple[str, ItemState], int]
    """By account and state."""
    jobs: Mapping[tuple[str, JobState, Needs | None], int]
    """By account, state and needs."""
    unconfirmed: Mapping[str, int]
    """Submissions with an unknown outcome, by account."""
    unchanged_since: Mapping[str, Micros] = field(default_factory=dict)
    """When the job on the platform that has been unchanged longest made progress, by account."""
    webhooks: Mapping[str, int] = field(default_factory=dict)
    """Notices that were not delivered, by state: `pending` or `given_up`."""
    wal_bytes: int | None = None
    """Size of the write-ahead log beside an SQLite database; None on a server."""


@dataclass(frozen=True, slots=True)
class BackupReading:
    """The state of the scheduled backups."""

    newest: Micros | None
    """When the newest copy was made; None if there is none."""
    interval: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Readings:
    """All gauges at a scrape."""

    accounts: Mapping[str, AccountReading]
    store: StoreReading | None
    """None if the database does not answer."""
    backup: BackupReading | None = None
    """None if no backups are scheduled."""


class Metrics:
    """A subscriber of the bus that counts events and renders the counts together with readings. It never blocks."""

    def __init__(self, clock: Clock, lost_log_lines: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self._lost_log_lines = lost_log_lines
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = self._counter("requests", "Requests that were sent, by outcome.", "account", "route", "status")
        self._request_seconds = self._histogram(
            "request_seconds", "From the send to the end of the answer.", _REMOTE, "account", "lane"
        )
        self._waits = self._histogram(
            "budget_wait_seconds", "Time that requests waited for the rate limiter.", _WAITS, "account", "lane"
        )
        self._submits = self._histogram(
            "submit_seconds", "From the first step of a submission to its confirmation.", _REMOTE, "account"
        )
        self._files = self._counter("queue_files", "Queue files, by outcome.", "outcome")
        self._jobs_settled = self._counter("jobs_settled", "Results delivered, by the state of the job.", "state")
        self._unknown = self._counter(
            "unknown_statuses", "Statuses of the platform that are unknown to this version.", "account"
        )
        self._unexpected = self._counter(
            "unexpected_responses",
            "Unexpected responses of platforms that were recorded, but not acted on.",
            "account",
            "what",
        )
        self._steps = self._counter(
            "step_failures", "Tasks that failed and are retried, by reason.", "account", "reason"
        )
        self._parts = self._counter("part_failures", "Failed iterations of a component.", "part")
        self._connections_closed = self._counter(
            "http_connections_closed", "Connections that the HTTP server closed, by reason.", "reason"
        )
        self._transactions = self._histogram(
            "store_transaction_seconds",
            "Duration of database transactions, without waiting for the lock.",
            _LOCAL,
            "operation",
        )
        self._webhooks = self._counter("webhook_attempts", "Calls of webhooks, by outcome.", "outcome")
        for outcome in ("delivered", "delayed", "given_up"):
            self._webhooks.labels(outcome)
        for part in ("results", "upkeep", "webhooks"):
            self._parts.labels(part)
        for cause in CloseCause:
            self._connections_closed.labels(cause.name.lower())
        for outcome in ("accepted", "rejected", "deferred"):
            self._files.labels(outcome)
        for state in JobState:
            if state.settled:
                self._jobs_settled.labels(state)

    def __call__(self, event: Event) -> None:
        """Count one event; events without a metric are ignored."""
        match event:
            case RequestDone():
                self._requests.labels(event.account, event.route, event.outcome).inc()
                self._request_seconds.labels(event.account, event.lane).observe(event.seconds)
                self._waits.labels(event.account, event.lane).observe(event.waited)
            case BatchSubmitted():
                self._submits.labels(event.account).observe(event.seconds)
            case FileAccepted():
                self._files.labels("accepted").inc()
            case FileRejected():
                self._files.labels("rejected").inc()
            case FileDeferred():
                self._files.labels("deferred").inc()
            case WebhookDelivered():
                self._webhooks.labels("delivered").inc()
            case WebhookDelayed():
                self._webhooks.labels("delayed").inc()
            case WebhookGivenUp():
                self._webhooks.labels("given_up").inc()
            case JobSettled():
                self._jobs_settled.labels(event.state).inc()
            case _:
                self._count_error(event)

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """Measure the duration of one database transaction, including failed ones."""
        begun = self._clock.monotonic()
        try:
            yield
        finally:
            self._transactions.labels(operation).observe(self._clock.monotonic() - begun)

    def render(self, readings: Readings) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(_Page(self._registry, readings, self._lost_log_lines()))

    def _count_error(self, event: Event) -> None:
        match event:
            case DaemonStarted():
                self._begin_at_zero(event.accounts)
            case UnexpectedResponse():
                self._unexpected.labels(event.account, event.what.name.lower()).inc(event.count)
                if event.what is UnexpectedKind.UNKNOWN_STATUSES:
                    self._unknown.labels(event.account).inc(event.count)
            case TaskRetry():
                self._steps.labels(event.account, "failed").inc()
            case TaskBug():
                self._steps.labels(event.account, "crashed").inc()
            case ConnectionsClosed():
                self._connections_closed.labels(event.cause.name.lower()).inc(event.count)
            case ComponentError():
                self._parts.labels(event.part).inc()
            case _:
                pass  # only logged

    def _begin_at_zero(self, accounts: Iterable[str]) -> None:
        """Create the counters of each account: `rate` and `increase` miss the first count of a new series."""
        for account in accounts:
            self._unknown.labels(account)
            for kind in UnexpectedKind:
                self._unexpected.labels(account, kind.name.lower())
            for reason in ("failed", "crashed"):
                self._steps.labels(account, reason)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(f"{_PREFIX}_{name}", text, labels, registry=self._registry, buckets=tuple(buckets))


# ---------------------------------------------------------------- one scrape


class _Page:
    """A collector of the counts and the readings."""

    def __init__(self, registry: CollectorRegistry, readings: Readings, lost_log_lines: int) -> None:
        self._registry = registry
        self._readings = readings
        self._lost_log_lines = lost_log_lines

    def collect(self) -> Iterator[Metric]:
        yield from map(_without_created, self._registry.collect())
        build = _gauge("build_info", "The version of the program.", "version")
        build.add_metric([__version__], 1)
        yield build
        text = "Lines of the log that could not be written to stderr."
        yield CounterMetricFamily(f"{_PREFIX}_log_lines_lost", text, self._lost_log_lines)
        yield from _of_accounts(self._readings.accounts)
        yield from _of_store(self._readings.store, tuple(self._readings.accounts))
        if self._readings.backup is not None:
            yield from _of_backup(self._readings.backup)


def _without_created(metric: Metric) -> Metric:
    """Remove the `_created` samples, which would double the size of the page."""
    metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
    return metric


def _of_accounts(accounts: Mapping[str, AccountReading]) -> Iterator[Metric]:
    limit = _gauge("budget_limit", "Requests that may be counted in one window.", "account")
    used = _gauge("budget_used", "Requests of the window that are used or in progress.", "account")
    window = _gauge("budget_window_seconds", "Length of the window.", "account")
    waiting = _gauge("budget_waiting_requests", "Requests that wait for the rate limiter.", "account", "lane")
    closed = _gauge("credential_rejected", "Whether the platform refuses the credential: 1 or 0.", "account")
    skew = _gauge("clock_skew_seconds", "This machine's clock minus the platform's.", "account")
    oldest_poll = _gauge(
        "oldest_poll_timestamp_seconds",
        "When the least recently answered query was answered, in Unix time; missing if there are no queries.",
        "account",
    )
    failing = _gauge(
        "account_failing_seconds",
        "From the first request that failed since the last success to the latest one; 0 while they succeed.",
        "account",
    )
    for name, account in accounts.items():
        failing.add_metric([name], account.failing)
        limit.add_metric([name], account.limit)
        used.add_metric([name], account.used)
        window.add_metric([name], account.window)
        closed.add_metric([name], account.closed)
        skew.add_metric([name], account.skew)
        for lane, count in account.waiting.items():
            waiting.add_metric([name, lane], count)
        if account.oldest_poll is not None:
            oldest_poll.add_metric([name], account.oldest_poll / SECOND)
    yield from (limit, used, window, waiting, closed, skew, oldest_poll, failing)


def _of_store(store: StoreReading | None, accounts: Iterable[str]) -> Iterator[Metric]:
    readable = _gauge("store_readable", "Whether the database answers: 1 or 0; without it some gauges are missing.")
    readable.add_metric([], store is not None)
    yield readable
    if store is None:
        return
    items = _gauge("items", "Items of the jobs that are not settled.", "account", "state")
    for account, state in sorted({*product(accounts, ItemState), *store.items}):
        items.add_metric([account, state], store.items.get((account, state), 0))
    jobs = _gauge(
        "jobs",
        "Jobs that are not settled; `needs` is `none` for those that progress by themselves.",
        "account",
        "state",
        "needs",
    )
    open_states = (state for state in JobState if not state.settled and state is not JobState.LOADING)
    every = product(accounts, open_states, (None, *Needs))
    for account, open_state, needs in sorted({*every, *store.jobs}, key=str):
        jobs.add_metric([account, open_state, needs or "none"], store.jobs.get((account, open_state, needs), 0))
    unconfirmed = _gauge("unconfirmed_submissions", "Submissions with an unknown outcome.", "account")
    for account in sorted({*accounts, *store.unconfirmed}):
        unconfirmed.add_metric([account], store.unconfirmed.get(account, 0))
    unchanged = _gauge(
        "unchanged_since_timestamp_seconds",
        "When the longest unchanged job on the platform made progress, in Unix time; missing if there is none.",
        "account",
    )
    for account, since in store.unchanged_since.items():
        unchanged.add_metric([account], since / SECOND)
    webhooks = _gauge("webhooks_undelivered", "Notices that were not delivered: still pending, or given up.", "state")
    for delivery, count in store.webhooks.items():
        webhooks.add_metric([delivery], count)
    yield from (items, jobs, unconfirmed, unchanged, webhooks)
    if store.wal_bytes is not None:
        wal = _gauge("database_wal_bytes", "Size of the write-ahead log; it grows during a long read transaction.")
        wal.add_metric([], store.wal_bytes)
        yield wal


def _of_backup(backup: BackupReading) -> Iterator[Metric]:
    made = _gauge("backup_timestamp_seconds", "When the newest scheduled backup was made, in Unix time; 0: never.")
    made.add_metric([], 0 if backup.newest is None else backup.newest / SECOND)
    interval = _gauge("backup_interval_seconds", "Seconds between two scheduled backups.")
    interval.add_metric([], backup.interval)
    yield from (made, interval)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=labels)
