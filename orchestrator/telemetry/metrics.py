"""What Prometheus is told: counts of what happened, and how things stand at the moment of a scrape.

Labels hold accounts, routes, states and the like, never an id: their number is bounded by the configuration and the
code, however much work there is.
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

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.render` returns."""

_PREFIX = "orchestrator"
_WAITS = (0.01, 0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600)
_REMOTE = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LOCAL = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


@dataclass(frozen=True, slots=True)
class AccountReading:
    """One account at one moment."""

    limit: int
    """Requests that may be counted in one window."""
    used: int
    """Those of them that are spent or on their way."""
    window: float
    """Seconds."""
    waiting: Mapping[str, int]
    """Requests that wait for the budget, by lane."""
    closed: bool
    """Whether the platform refuses the credential."""
    oldest_poll: Micros | None
    """When the question that waits longest was last answered; None when nothing is to be asked."""
    skew: float
    """Seconds by which our clock is ahead of the platform's."""
    failing: float = 0.0
    """Seconds for which no request has succeeded; 0 while they do."""


@dataclass(frozen=True, slots=True)
class StoreReading:
    """What the database counts, of jobs that are not settled."""

    items: Mapping[tuple[str, ItemState], int]
    """By account and state."""
    jobs: Mapping[tuple[str, JobState, Needs | None], int]
    """By account, state and needs."""
    unconfirmed: Mapping[str, int]
    """Submissions with an unknown outcome, by account."""
    unchanged_since: Mapping[str, Micros] = field(default_factory=dict)
    """When the job on the platform that moved longest ago made progress, by account."""
    wal_bytes: int | None = None
    """Size of the write-ahead log beside an SQLite database; None on a server."""


@dataclass(frozen=True, slots=True)
class BackupReading:
    """Scheduled backups."""

    newest: Micros | None
    """When the newest copy was made; None while there is none."""
    interval: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Readings:
    """How things stand at the moment of a scrape."""

    accounts: Mapping[str, AccountReading]
    store: StoreReading | None
    """None while the database does not answer."""
    backup: BackupReading | None = None
    """None when none are scheduled."""


class Metrics:
    """A subscriber of the bus that counts, and shows its counts together with readings. Nothing here waits."""

    def __init__(self, clock: Clock, lost_log_lines: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self._lost_log_lines = lost_log_lines
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = self._counter(
            "requests", "Requests that had their slot, by what became of them.", "account", "route", "status"
        )
        self._request_seconds = self._histogram(
            "request_seconds", "From the send to the end of the answer.", _REMOTE, "account", "lane"
        )
        self._waits = self._histogram(
            "budget_wait_seconds", "What requests waited for the budget.", _WAITS, "account", "lane"
        )
        self._submits = self._histogram(
            "submit_seconds", "From the first step of a submission to its confirmation.", _REMOTE, "account"
        )
        self._files = self._counter("queue_files", "Queue files, by what was decided.", "outcome")
        self._jobs_settled = self._counter("jobs_settled", "Results delivered, by the state of the job.", "state")
        self._unknown = self._counter("unknown_statuses", "Statuses that our tables do not have.", "account")
        self._odd = self._counter(
            "unexpected_responses", "What platforms reported that is recorded and not acted on.", "account", "what"
        )
        self._steps = self._counter(
            "step_failures", "Steps that did not succeed and are tried again, by reason.", "account", "reason"
        )
        self._parts = self._counter("part_failures", "Turns that a part of the engine could not do.", "part")
        self._connections_closed = self._counter(
            "http_connections_closed", "Connections that the HTTP server closed on their callers.", "reason"
        )
        self._transactions = self._histogram(
            "store_transaction_seconds", "Database transactions, the wait for their turn aside.", _LOCAL, "operation"
        )
        for part in ("results", "upkeep"):
            self._parts.labels(part)
        for cause in CloseCause:
            self._connections_closed.labels(cause.name.lower())
        for outcome in ("accepted", "rejected", "deferred"):
            self._files.labels(outcome)
        for state in JobState:
            if state.settled:
                self._jobs_settled.labels(state)

    def __call__(self, event: Event) -> None:
        """Count one event; those that no metric speaks of are none of ours."""
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
            case JobSettled():
                self._jobs_settled.labels(event.state).inc()
            case _:
                self._count_trouble(event)

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """Takes the time of one database transaction, failed ones included."""
        begun = self._clock.monotonic()
        try:
            yield
        finally:
            self._transactions.labels(operation).observe(self._clock.monotonic() - begun)

    def render(self, readings: Readings) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(_Page(self._registry, readings, self._lost_log_lines()))

    def _count_trouble(self, event: Event) -> None:
        match event:
            case DaemonStarted():
                self._begin_at_zero(event.accounts)
            case UnexpectedResponse():
                self._odd.labels(event.account, event.what.name.lower()).inc(event.count)
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
                pass  # told in the log alone

    def _begin_at_zero(self, accounts: Iterable[str]) -> None:
        """A counter that is missing until it first counts hides that first time from `rate` and `increase`."""
        for account in accounts:
            self._unknown.labels(account)
            for kind in UnexpectedKind:
                self._odd.labels(account, kind.name.lower())
            for reason in ("failed", "crashed"):
                self._steps.labels(account, reason)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(f"{_PREFIX}_{name}", text, labels, registry=self._registry, buckets=tuple(buckets))


# ---------------------------------------------------------------- one scrape


class _Page:
    """The counts and the readings as one collector."""

    def __init__(self, registry: CollectorRegistry, readings: Readings, lost_log_lines: int) -> None:
        self._registry = registry
        self._readings = readings
        self._lost_log_lines = lost_log_lines

    def collect(self) -> Iterator[Metric]:
        yield from map(_without_birthdays, self._registry.collect())
        build = _gauge("build_info", "The program that runs.", "version")
        build.add_metric([__version__], 1)
        yield build
        text = "Lines of the log that could not be written to stderr."
        yield CounterMetricFamily(f"{_PREFIX}_log_lines_lost", text, self._lost_log_lines)
        yield from _of_accounts(self._readings.accounts)
        yield from _of_store(self._readings.store, tuple(self._readings.accounts))
        if self._readings.backup is not None:
            yield from _of_backup(self._readings.backup)


def _without_birthdays(metric: Metric) -> Metric:
    """Without the time at which each series began, which would double the page for a figure that nobody reads."""
    metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
    return metric


def _of_accounts(accounts: Mapping[str, AccountReading]) -> Iterator[Metric]:
    limit = _gauge("budget_limit", "Requests that may be counted in one window.", "account")
    used = _gauge("budget_used", "Requests of the budget that are spent or on their way.", "account")
    window = _gauge("budget_window_seconds", "Length of the window.", "account")
    waiting = _gauge("budget_waiting_requests", "Requests that wait for the budget.", "account", "lane")
    closed = _gauge("credential_rejected", "Whether the platform refuses the credential: 1 or 0.", "account")
    skew = _gauge("clock_skew_seconds", "Our clock minus the platform's.", "account")
    looked = _gauge(
        "oldest_poll_timestamp_seconds",
        "When the question that waits longest was last answered, in Unix time; missing when nothing is to be asked.",
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
            looked.add_metric([name], account.oldest_poll / SECOND)
    yield from (limit, used, window, waiting, closed, skew, looked, failing)


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
        "jobs", "Jobs that are not settled; `needs` is `none` for those that go on.", "account", "state", "needs"
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
        "When the job on the platform that moved longest ago made progress, in Unix time; missing when none is there.",
        "account",
    )
    for account, since in store.unchanged_since.items():
        unchanged.add_metric([account], since / SECOND)
    yield from (items, jobs, unconfirmed, unchanged)
    if store.wal_bytes is not None:
        wal = _gauge(
            "database_wal_bytes", "Size of the write-ahead log; it grows while a reader keeps one transaction open."
        )
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
