"""What is published on the bus, as lines of the log."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import get_type_hints

import pytest
from structlog.testing import CapturingLogger

from orchestrator.telemetry import events, job_events, webhook_events
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import BatchBlocked, BatchSubmitted, Event, Level, RequestDone, StatusUpdate
from orchestrator.telemetry.journal import Journal, name_of
from orchestrator.telemetry.redaction import Redactor

LOGGED = {events.__name__, job_events.__name__, webhook_events.__name__}
KINDS = [
    kind
    for _, kind in inspect.getmembers(events, inspect.isclass)
    if issubclass(kind, Event) and kind is not Event and kind.__module__ == events.__name__
]

SAMPLES = {
    str: "text",
    int: 3,
    float: 1.23456,
    bool: True,
    tuple[str, ...]: ("a", "b"),
    str | None: "text",
    dict[str, int] | None: {"succeeded": 3},
    events.UnexpectedKind: events.UnexpectedKind.UNKNOWN_OBJECTS,
    events.CloseCause: events.CloseCause.IDLE,
}


def sample(kind):
    """An event of this kind, each field filled with a value of its type."""
    hints = get_type_hints(kind)
    return kind(**{field.name: SAMPLES[hints[field.name]] for field in dataclasses.fields(kind)})


def journalled(event):
    """The one call that the journal makes of the logger."""
    logger = CapturingLogger()
    Journal(logger)(event)
    (call,) = logger.calls
    return call


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_becomes_one_line_with_all_its_fields(kind):
    """The event's name comes first, its fields beside it, at the level that it asks for."""
    event = sample(kind)
    call = journalled(event)
    assert call.method_name == event.level.value
    assert call.args == (name_of(event),)
    assert call.kwargs.keys() == {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_hides_a_part_of_the_line(kind):
    """Time, level, name and traceback have their keys in a line; no field of an event is called like them."""
    taken = {"event", "level", "timestamp", "logger", "message", "exception", "exc_info", "stack_info"}
    assert not taken & {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_is_taken_for_a_secret(kind):
    """The fields of events come through redaction as they are."""
    told = journalled(sample(kind)).kwargs
    shown = Redactor().value(told)
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()} == shown


def test_names_are_words_in_snake_case_and_each_its_own():
    """A line is found by its name."""
    names = [name_of(sample(kind)) for kind in KINDS]
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names)
    assert len(set(names)) == len(names)


def test_names_that_people_watch_for_stay():
    """Alerts are built on these names; an event may come, but none of these may go."""
    watched = {
        "aborts_sent",
        "credential_rejected",
        "credential_accepted",
        "batch_blocked",
        "batch_delayed",
        "batch_refused",
        "batch_submitted",
        "daemon_started",
        "daemon_stopping",
        "file_accepted",
        "file_deferred",
        "file_rejected",
        "status_update",
        "job_settled",
        "unexpected_response",
        "component_error",
        "request_done",
        "result_delayed",
        "task_bug",
        "task_retry",
    }
    assert set() == watched - {name_of(sample(kind)) for kind in KINDS}


def kinds_below(kind):
    """All kinds of events, in whatever module they are."""
    return {each for below in kind.__subclasses__() for each in (below, *kinds_below(below))}


def test_every_event_is_explained_to_operators():
    """The table of the page on operation has a line for each: what it means and what to do."""
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE))
    ours = {kind.__name__ for kind in kinds_below(Event) if kind.__module__ in LOGGED}
    written = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in ours}
    assert written - explained == set()


@pytest.mark.parametrize("level", list(Level))
def test_every_level_is_one_that_the_logger_has(level):
    """A level is the name of the logger's method."""
    logger = CapturingLogger()
    getattr(logger, level.value)("x")
    assert level.value in {"debug", "info", "warning", "error"}
    assert logger.calls[0].method_name == level


def test_fields_without_a_value_are_omitted():
    """None says nothing in a log line."""
    call = journalled(BatchSubmitted("ica", "job", 1, 100, None, resent=False, seconds=0.5))
    assert "remote_id" not in call.kwargs
    assert call.kwargs["resent"] is False


def test_seconds_are_rounded_to_the_millisecond():
    """A line is for reading; whole numbers and truths stay as they are."""
    told = journalled(BatchSubmitted("ica", "job", 1, 100, "remote", resent=False, seconds=0.123456789)).kwargs
    assert (told["seconds"], told["batch"], told["items"], told["resent"]) == (0.123, 1, 100, False)
    assert told["resent"] is False


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (StatusUpdate("ica", "jobs", items_changed=0, items_read=100), Level.DEBUG),
        (StatusUpdate("ica", "jobs", items_changed=1, items_read=100), Level.INFO),
        (BatchBlocked("ica", "job", 1, "no right"), Level.ERROR),
        (RequestDone("ica", "GET /jobs", "200", "observe", 0.0, 0.1), Level.DEBUG),
    ],
)
def test_a_person_is_told_what_a_person_needs(event, level):
    """A look without news is for debugging; a batch that waits for a person is an error."""
    assert level == event.level
    assert journalled(event).method_name == level.value


def test_the_journal_listens_to_a_bus():
    """Subscribed, it writes what is published, in order."""
    logger, bus = CapturingLogger(), Bus[Event]()
    bus.subscribe(Journal(logger))
    bus.publish(BatchBlocked("ica", "job", 1, "no right"))
    bus.publish(StatusUpdate("ica", "jobs", items_changed=1, items_read=100))
    assert [call.args for call in logger.calls] == [("batch_blocked",), ("status_update",)]
