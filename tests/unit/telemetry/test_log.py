"""Log lines: their shape, and what never stands in them."""

import io
import json
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from orchestrator.clock import ManualClock
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.log import configure
from orchestrator.telemetry.redaction import Redactor

SECRET = "k3y-of-the-lab"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    """Logging is one for the process: put back what a test changed."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


@pytest.fixture
def stream():
    """What would be stderr."""
    return io.StringIO()


@pytest.fixture
def log(stream):
    """A logger set up as under a service manager, with one known secret."""
    configure(level="info", style="auto", stream=stream, clock=ManualClock(), redactor=Redactor([SECRET]))
    return structlog.get_logger()


def fail(error):
    """Raise it, one frame further down, with a local variable that no log may show."""
    _hidden = "value-of-a-local-variable"
    raise error


def lines_of(stream):
    """Every line as the object that it has to be."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_that_begins_with_time_level_and_event(log, stream):
    """Machines find the same three keys in front, and the clock that was handed in."""
    log.info("batch_submitted", job="run-0172", items=100)

    (line,) = lines_of(stream)

    assert list(line.items()) == [
        ("timestamp", "2023-11-14T22:13:20.000000Z"),
        ("level", "info"),
        ("event", "batch_submitted"),
        ("job", "run-0172"),
        ("items", 100),
    ]


def test_what_is_below_the_level_is_not_told(log, stream):
    """A debug line stays silent at info."""
    log.debug("looked")
    assert stream.getvalue() == ""


def test_context_variables_are_told(log, stream):
    """What was bound for a task stands on each of its lines."""
    structlog.contextvars.bind_contextvars(account="ica")
    log.info("looked")
    assert lines_of(stream)[0]["account"] == "ica"


def test_values_that_json_does_not_know_become_text(log, stream):
    """A path, a set or an infinity does not break the line, nor the reader of it."""
    log.info("seen", path=Path("/q/a.yaml"), words={"x"}, rate=float("inf"), deep=[[[[[[[[[[1]]]]]]]]]])

    (line,) = lines_of(stream)

    assert (line["path"], line["words"], line["rate"]) == ("/q/a.yaml", ["x"], "inf")
    assert "…" in json.dumps(line["deep"], ensure_ascii=False)


def test_a_traceback_stays_on_its_line_without_locals(log, stream):
    """An exception is told with its cause and without what the variables held."""
    try:
        try:
            fail(KeyError("s1"))
        except KeyError as cause:
            raise RuntimeError("the step failed") from cause
    except RuntimeError:
        log.exception("task_retry")

    (line,) = lines_of(stream)

    assert "KeyError: 's1'" in line["exception"]
    assert line["exception"].endswith("RuntimeError: the step failed")
    assert "value-of" not in line["exception"]


def test_a_known_secret_is_taken_out_wherever_it_stands(log, stream):
    """In the event, in texts, keys, nested values, objects and tracebacks."""
    event = f"failed_{SECRET}"
    try:
        fail(ExceptionGroup(f"two {SECRET}", [ValueError(f"inner {SECRET}")]))
    except ExceptionGroup as group:
        group.add_note(f"noted {SECRET}")
        log.exception(
            event,
            text=f"a {SECRET} b",
            nested={SECRET: [(f"x{SECRET}",)]},
            error=group,
            raw=b"k3y-of-the-lab",
        )

    assert SECRET not in stream.getvalue()
    assert lines_of(stream)[0]["text"] == "a [redacted] b"
    assert "inner [redacted]" in lines_of(stream)[0]["exception"]
    assert "noted [redacted]" in lines_of(stream)[0]["exception"]


@pytest.mark.parametrize(
    "key",
    [
        "Authorization",
        "X-API-Key",
        "api_key",
        "token",
        "psToken",
        "refresh_tokens",
        "password",
        "client_secret",
        "Cookie",
    ],
)
def test_values_under_telling_keys_are_taken_out(log, stream, key):
    """What is called a secret is one, at any depth, whether or not we know its text."""
    log.info("sent", headers=[{key: "unknown-value", "Accept": "json"}], **{key: {"inner": "unknown-value"}})

    (line,) = lines_of(stream)

    assert line["headers"] == [{key: "[redacted]", "Accept": "json"}]
    assert line[key] == "[redacted]"


def test_keys_that_only_resemble_secrets_are_told(log, stream):
    """The name of a file and an absent token help and harm nobody."""
    log.info("started", token_file="/etc/token", token=None, key="run-0172/s1", keyboard="us")

    (line,) = lines_of(stream)

    assert (line["token_file"], line["token"], line["key"]) == ("/etc/token", None, "run-0172/s1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]"),
        ("{'authorization': 'Basic dXNlcjpwdw=='}", "{'authorization': 'Basic [redacted]'}"),
        ("got eyJhbGciOiJIUzI1.eyJzdWIi.c2ln back", "got [redacted] back"),
        ("postgresql://orc:hunter2@db/orc", "postgresql://orc:[redacted]@db/orc"),
        ("https://s3/x?X-Amz-Signature=abcd&y=1", "https://s3/x?X-Amz-Signature=[redacted]&y=1"),
        ("the bearer of this", "the bearer of this"),
        ("GET https://ica.illumina.com/ica/rest/api/jobs", "GET https://ica.illumina.com/ica/rest/api/jobs"),
    ],
)
def test_texts_that_look_like_credentials_are_taken_out(text, told):
    """Tokens fetched at run time are known to nobody beforehand; their shape gives them away."""
    assert told == Redactor().text(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("X-API-Key: simulator", "X-API-Key: [redacted]"),
        ("proxy-authorization=abc.def-123", "proxy-authorization=[redacted]"),
        ("(b'authorization', b'Basic dXNlcjpwdw==')", "(b'authorization', b'Basic [redacted]')"),
        ("Authorization: Token dXNlcjpwdw", "Authorization: Token [redacted]"),
        ("host=db password=hunter2 user=orc", "host=db password=[redacted] user=orc"),
        ("Authorization: Bearer <x>tail", "Authorization: Bearer [redacted]"),
        ("bearer abcdefgh-abcdefg1", "bearer [redacted]"),
        ("Bearer ABCDEFGHIJKLMNOPQR", "Bearer [redacted]"),
        ("X-SBG-AUTH-TOKEN: dXNlcjpwdw", "X-SBG-AUTH-TOKEN: [redacted]"),
        ("https://s3/x?SIG=abcd", "https://s3/x?SIG=[redacted]"),
        ("https://s3/x?Token=abcd&y=1", "https://s3/x?Token=[redacted]&y=1"),
        ("https://s3/x?X-AMZ-Security-Token=abcd", "https://s3/x?X-AMZ-Security-Token=[redacted]"),
        ("PASSWD=hunter2", "PASSWD=[redacted]"),
        ("Pa\u017f\u017fword=hunter2", "Pa\u017f\u017fword=[redacted]"),
    ],
)
def test_credentials_are_taken_out_wherever_they_are_written(text, told):
    """In a header by its name, in pairs of bytes, in a connection string; a placeholder with more behind it is none."""
    assert told == Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "send the token: Authorization: Bearer …",
        "curl -H 'Authorization: Bearer $TOKEN' http://127.0.0.1:8080",
        "curl -H 'Authorization: Bearer ${TOKEN}'",
        "Authorization: Bearer <token>",
        "Authorization: Bearer YOUR_TOKEN",
        "Authorization: Bearer",
        "WWW-Authenticate: Bearer, then Authorization: Basic.",
        "the authorization failed; authorization header missing",
        "401 for bearer authentication-schemes",
        "X-API-Key: …",
        "database: postgresql://USER:PASSWORD@HOST/NAME or postgresql://user:<password>@host/name",
        "https://s3/x?token=…&sig=...",
        "postgresql: password=*** is wrong; password=[redacted]",
    ],
)
def test_advice_about_credentials_is_left_whole(text):
    """What stands for a secret, or only speaks of one, is what the reader needs."""
    assert text == Redactor().text(text)


@pytest.mark.parametrize("word", ["simulator", "Simulator", "orchestrator", "postgres", "password"])
def test_a_secret_that_is_an_everyday_word_stays_readable_in_prose(log, stream, word):
    """The key of the simulator is the word `simulator`: it is taken out where a credential stands, and nowhere else."""
    redactor = Redactor([word])
    text = f"{word}_started in /srv/{word}/queue by orchestrator.{word}.server"
    assert redactor.text(text) == text
    assert redactor.value({word: word, "X-API-Key": word}) == {word: word, "X-API-Key": "[redacted]"} | (
        {word: "[redacted]"} if word == "password" else {}
    )
    assert redactor.text(f"X-API-Key: {word}, postgresql://orc:{word}@db") == (
        "X-API-Key: [redacted], postgresql://orc:[redacted]@db"
    )


def test_a_secret_of_letters_is_not_looked_for_inside_of_words():
    """It is taken out as a word of its own, also behind an escape, and longer words stay whole."""
    redactor = Redactor(["late"])
    assert redactor.text("late latest plate, late! x_late") == "[redacted] latest plate, [redacted]! x_[redacted]"
    assert redactor.text(r"a%2Flate \nlate") == r"a%2F[redacted] \n[redacted]"


def test_a_secret_is_recognised_inside_a_repr_and_a_url():
    """Escaping does not hide a secret from us."""
    secret = "it's\\a+b/c"
    assert Redactor([secret]).text(f"{secret!r} and it%27s%5Ca%2Bb%2Fc") == '"[redacted]" and [redacted]'


def test_of_two_secrets_the_longer_is_taken_out_whole():
    """A secret that begins like another leaves no end behind, and a short text is no secret."""
    assert Redactor(["abcd", "abcdefgh", "a", ""]).text("abcdefgh abcd a") == "[redacted] [redacted] a"


def test_a_pydantic_secret_shows_nothing(log, stream):
    """A SecretStr that is logged by mistake stays masked."""
    log.info("loaded", settings=[SecretStr("unknown-value")])
    assert "unknown-value" not in stream.getvalue()


def test_libraries_speak_through_the_same_pipeline_from_warning_on(log, stream):
    """Their text stands beside a stable event, redacted, with one traceback and nothing below warning."""
    library = logging.getLogger("some.library")
    library.info("chatter")
    try:
        fail(ValueError(SECRET))
    except ValueError:
        library.warning("lost %s", SECRET, exc_info=True)

    (line,) = lines_of(stream)

    assert (line["event"], line["level"], line["logger"]) == ("library_warning", "warning", "some.library")
    assert line["message"] == "lost [redacted]"
    assert line["exception"].endswith("ValueError: [redacted]")


def test_warnings_of_python_become_log_lines(log, stream):
    """A warning does not break the stream of objects with plain text."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old call", UserWarning, stacklevel=1)

    (line,) = lines_of(stream)

    assert line["logger"] == "py.warnings"
    assert "old call" in line["message"]


def test_a_terminal_gets_lines_for_people():
    """The format auto means console where a person looks, redacted all the same."""
    stream = Terminal()
    configure(level="info", style="auto", stream=stream, clock=ManualClock(), redactor=Redactor([SECRET]))
    try:
        fail(ValueError(SECRET))
    except ValueError:
        structlog.get_logger().exception("task_retry", header=SECRET)

    text = stream.getvalue()

    assert "task_retry" in text
    assert "\x1b[" in text
    assert "ValueError: [redacted]" in text
    assert SECRET not in text


def test_json_can_be_asked_for_on_a_terminal():
    """The setting goes over what the stream is."""
    stream = Terminal()
    configure(level="debug", style="json", stream=stream, clock=ManualClock())
    structlog.get_logger().debug("looked")
    assert lines_of(stream)[0]["level"] == "debug"


@pytest.mark.parametrize(("connected", "start"), [(True, '<4>{"timestamp"'), (False, '{"timestamp"')])
def test_the_journal_gets_the_priority_in_front(tmp_path, connected, start):
    """Only when the stream is the very one that $JOURNAL_STREAM names, not merely when it is set."""
    with (tmp_path / "journal").open("w+") as stream:
        found = os.fstat(stream.fileno())
        named = f"{found.st_dev}:{found.st_ino if connected else found.st_ino + 1}"
        environ = {"JOURNAL_STREAM": named}
        lines = configure(level="info", style="auto", stream=stream, clock=ManualClock(), environ=environ)
        structlog.get_logger().warning("disk_full")
        lines.close(within=600)
        stream.seek(0)
        assert stream.read().startswith(start)


def test_what_could_not_be_written_is_reported_as_an_event(tmp_path, monkeypatch):
    """Lines of ours and of libraries are counted, and the number follows the first line that is written again."""
    real, fails = os.write, [True, True]

    def write(descriptor, data):
        if fails and fails.pop():
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    with (tmp_path / "log").open("w+") as stream:
        lines = configure(level="info", style="auto", stream=stream, clock=ManualClock())
        monkeypatch.setattr(os, "write", write)
        structlog.get_logger().info("one")
        logging.getLogger("a.library").warning("two")
        structlog.get_logger().info("three")
        lines.close(within=600)
        stream.seek(0)
        told = [json.loads(line) for line in stream]
    assert [line["event"] for line in told] == ["three", "log_lines_lost"]
    assert (told[1]["count"], told[1]["level"], lines.lost) == (2, "warning", 2)


@dataclass(frozen=True)
class Happened:
    """Something to publish."""

    number: int


def test_every_subscriber_hears_every_event_in_order():
    """Handlers are called in the order in which they subscribed, from then on."""
    bus, heard = Bus[Happened](), []
    bus.publish(Happened(0))
    bus.subscribe(lambda event: heard.append(("first", event.number)))
    bus.subscribe(lambda event: heard.append(("second", event.number)))
    bus.publish(Happened(1))
    assert heard == [("first", 1), ("second", 1)]


def test_a_failing_subscriber_is_logged_and_breaks_nobody(log, stream):
    """Neither the publisher nor the other subscribers notice."""
    bus, heard = Bus[Happened](), []

    def broken(_event):
        raise RuntimeError("no metrics today")

    bus.subscribe(broken)
    bus.subscribe(heard.append)
    bus.publish(Happened(1))

    (line,) = lines_of(stream)

    assert heard == [Happened(1)]
    assert (line["event"], line["event_type"]) == ("event_handler_error", "Happened")
    assert "no metrics today" in line["exception"]
