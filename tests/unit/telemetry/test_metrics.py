"""What is counted, and how it is shown: Prometheus's rules for names, and no label that grows with the work."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.clock import ManualClock
from orchestrator.domain.model import ItemState, JobState, Needs
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import (
    AbortsSent,
    BatchSubmitted,
    ComponentError,
    DaemonStarted,
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
from orchestrator.telemetry.metrics import AccountReading, Metrics, Readings, StoreReading

STARTED = DaemonStarted("1.0", "instance", ("ica", "other"), 0)
ACCOUNT = AccountReading(
    limit=1000,
    used=12,
    window=300.0,
    waiting={"control": 0, "submit": 3, "observe": 40},
    closed=False,
    oldest_poll=1_700_000_000_500_000,
    skew=-1.5,
)
EVERYTHING = (
    STARTED,
    RequestDone("ica", "GET items", "200", "observe", waited=2.0, seconds=0.25),
    BatchSubmitted("ica", "job-7", 3, 100, "remote-9", resent=False, seconds=1.5),
    FileAccepted("file-1.json", ("job-7",), 100),
    FileRejected("file-2.json", 3, "first", "rejected/file-2.json.error.json"),
    FileDeferred("file-3.json", "disk full"),
    JobSettled("job-7", "partial", "results/job-7.json"),
    UnexpectedResponse("ica", UnexpectedKind.UNKNOWN_STATUSES, 4, "SIMMERING"),
    TaskRetry("ica", "submit job-7/3", "503", 1.0),
    TaskBug("ica", "submit job-7/3", "Traceback", 1.0),
    ComponentError("results", "disk full", 1.0),
    AbortsSent("ica", 5, 0),
)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def metrics(clock):
    return Metrics(clock)


def told(metrics, *events, accounts=None, store=None):
    """Publish events; returns every sample by its name and labels, and every family by its name."""
    bus = Bus()
    bus.subscribe(metrics)
    for event in events:
        bus.publish(event)
    page = metrics.render(Readings(accounts or {}, store)).decode()
    families = list(text_string_to_metric_families(page))
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }
    return samples, families


def value(samples, name, **labels):
    """One sample of ours; None when it is missing."""
    return samples.get((f"orchestrator_{name}", *sorted(labels.items())))


# ---------------------------------------------------------------- counts


def test_requests_are_counted_by_account_route_and_status(metrics):
    """What they waited for the budget, and took on the wire, is measured by lane."""
    done = RequestDone("ica", "GET items", "200", "observe", waited=2.0, seconds=0.25)
    lost = RequestDone("ica", "GET items", "ReadTimeout", "observe", waited=3.0, seconds=60.0)
    samples, _ = told(metrics, done, done, lost)
    assert value(samples, "requests_total", account="ica", route="GET items", status="200") == 2
    assert value(samples, "requests_total", account="ica", route="GET items", status="ReadTimeout") == 1
    assert value(samples, "budget_wait_seconds_sum", account="ica", lane="observe") == 7.0
    assert value(samples, "request_seconds_count", account="ica", lane="observe") == 3


def test_files_are_counted_by_outcome(metrics):
    """Each outcome is there from the start, with nothing in it."""
    samples, _ = told(metrics)
    outcomes = ("accepted", "rejected", "deferred")
    assert [value(samples, "queue_files_total", outcome=outcome) for outcome in outcomes] == [0, 0, 0]
    samples, _ = told(metrics, *EVERYTHING)
    assert [value(samples, "queue_files_total", outcome=outcome) for outcome in outcomes] == [1, 1, 1]


def test_submissions_are_timed(metrics):
    """The latency of each confirmed submission, by account."""
    samples, _ = told(metrics, *EVERYTHING)
    assert value(samples, "submit_seconds_sum", account="ica") == 1.5
    assert value(samples, "submit_seconds_count", account="ica") == 1


def test_unknown_statuses_are_counted_by_their_number(metrics):
    """They are among the odd answers too; other oddities are no unknown statuses."""
    samples, _ = told(metrics, *EVERYTHING, UnexpectedResponse("other", UnexpectedKind.BAD_ROWS, 2, "row"))
    assert value(samples, "unknown_statuses_total", account="ica") == 4
    assert value(samples, "unknown_statuses_total", account="other") == 0
    assert value(samples, "unexpected_responses_total", account="other", what="bad_rows") == 2


def test_failures_are_counted(metrics):
    """Steps by account, parts by name, settled jobs by state."""
    samples, _ = told(metrics, *EVERYTHING)
    assert value(samples, "step_failures_total", account="ica", reason="failed") == 1
    assert value(samples, "step_failures_total", account="ica", reason="crashed") == 1
    assert value(samples, "part_failures_total", part="results") == 1
    assert value(samples, "jobs_settled_total", state="partial") == 1
    assert value(samples, "jobs_settled_total", state="failed") == 0


async def test_transactions_are_timed_also_when_they_fail(metrics, clock):
    """By operation; the error goes its way."""
    with metrics.timed("write"):
        await clock.advance(0.5)
    with pytest.raises(OSError, match="disk"), metrics.timed("write"):
        raise OSError("disk")
    samples, _ = told(metrics)
    assert value(samples, "store_transaction_seconds_sum", operation="write") == 0.5
    assert value(samples, "store_transaction_seconds_count", operation="write") == 2


# ---------------------------------------------------------------- readings


def test_accounts_show_their_budget(metrics):
    """Limit, use, waiting by lane, and when the oldest look was answered."""
    samples, _ = told(metrics, accounts={"ica": ACCOUNT})
    shown = ("budget_limit", "budget_used", "budget_window_seconds", "credential_rejected", "clock_skew_seconds")
    assert [value(samples, name, account="ica") for name in shown] == [1000, 12, 300, 0, -1.5]
    assert value(samples, "budget_waiting_requests", account="ica", lane="observe") == 40
    assert value(samples, "oldest_poll_timestamp_seconds", account="ica") == 1_700_000_000.5


def test_nothing_to_ask_has_no_age(metrics):
    """A timestamp of nothing would look like a look of 1970."""
    idle = AccountReading(10, 0, 1.0, {}, closed=True, oldest_poll=None, skew=0.0)
    samples, _ = told(metrics, accounts={"ica": idle})
    assert value(samples, "oldest_poll_timestamp_seconds", account="ica") is None
    assert value(samples, "credential_rejected", account="ica") == 1


def test_what_the_database_counts_is_shown_with_its_zeros(metrics):
    """An account without work shows nothing in every state, so that an alert sees the first."""
    store = StoreReading(
        items={("ica", ItemState.RUNNING): 7, ("gone", ItemState.PENDING): 1},
        jobs={("ica", JobState.RUNNING, Needs.BLOCKED): 2, ("gone", JobState.QUEUED, None): 1},
        unconfirmed={"ica": 3},
    )
    samples, _ = told(metrics, accounts={"ica": ACCOUNT, "other": ACCOUNT}, store=store)
    assert value(samples, "items", account="ica", state="running") == 7
    assert value(samples, "items", account="other", state="running") == 0
    assert value(samples, "items", account="gone", state="pending") == 1
    assert value(samples, "jobs", account="ica", state="running", needs="blocked") == 2
    assert value(samples, "jobs", account="other", state="waiting", needs="none") == 0
    assert value(samples, "jobs", account="gone", state="queued", needs="none") == 1
    assert value(samples, "unconfirmed_submissions", account="ica") == 3
    assert value(samples, "unconfirmed_submissions", account="other") == 0
    assert value(samples, "store_readable") == 1


def test_without_the_database_the_rest_is_shown(metrics):
    """What would come from it is missing rather than zero."""
    samples, families = told(metrics, STARTED, accounts={"ica": ACCOUNT})
    assert value(samples, "store_readable") == 0
    assert value(samples, "budget_used", account="ica") == 12
    assert not {"orchestrator_items", "orchestrator_jobs"} & {family.name for family in families}


# ---------------------------------------------------------------- the page


def test_names_are_as_prometheus_asks(metrics):
    """Prefix, help, base units, `_total` on counters and nowhere else, no birthdays."""
    store = StoreReading({}, {}, {})
    _, families = told(metrics, *EVERYTHING, accounts={"ica": ACCOUNT}, store=store)
    for family in families:
        assert family.documentation, family.name
        assert re.fullmatch(r"(orchestrator|process)(_[a-z]+)+", family.name), family.name
        assert not re.search(r"_(ms|millis|milliseconds|minutes|kb|mb|created)$", family.name), family.name
        names = {sample.name for sample in family.samples}
        assert all(name.endswith("_total") for name in names) == (family.type == "counter") or not names


def test_no_label_is_an_id(metrics):
    """Names of jobs, files and batches, and texts of errors, stay in the log."""
    with metrics.timed("read"):
        pass
    samples, _ = told(metrics, *EVERYTHING, accounts={"ica": ACCOUNT}, store=StoreReading({}, {}, {}))
    labels = {name for (_, *pairs) in samples for name, _ in pairs}
    assert labels == {
        "account",
        "le",
        "lane",
        "needs",
        "operation",
        "outcome",
        "part",
        "reason",
        "route",
        "state",
        "status",
        "version",
        "what",
    }
    values = {text for (_, *pairs) in samples for _, text in pairs}
    assert not [text for text in values for secret in ("job-7", "file-", "remote-", "Traceback") if secret in text]


def test_the_page_does_not_grow_with_the_work(metrics):
    """A hundred thousand items and jobs are as many lines as none."""
    few, _ = told(metrics, *EVERYTHING, accounts={"ica": ACCOUNT}, store=StoreReading({}, {}, {}))
    many = [JobSettled(f"job-{number}", "succeeded", "results") for number in range(1000)]
    much = StoreReading({("ica", ItemState.RUNNING): 100_000}, {("ica", JobState.RUNNING, None): 5000}, {"ica": 9})
    after, _ = told(metrics, *many, accounts={"ica": ACCOUNT}, store=much)
    assert after.keys() == few.keys()


def test_two_daemons_in_one_process_count_apart(clock):
    """Nothing is registered anywhere but here, and the process is shown once."""
    first, second = Metrics(clock), Metrics(clock)
    told(first, *EVERYTHING)
    samples, _ = told(second)
    assert value(samples, "queue_files_total", outcome="accepted") == 0
    assert ("process_resident_memory_bytes",) in samples
