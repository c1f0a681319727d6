"""The log on stderr, one event per line.

On a terminal it is formatted as text; elsewhere each line is one JSON object that begins with `timestamp` (RFC 3339,
UTC), `level` and `event`, a stable name in snake_case. Warnings and errors that libraries log are included as the
event `library_warning`. Lines contain no secrets, and tracebacks no local variables.
"""

import logging
import os
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from orchestrator.clock import Clock
from orchestrator.domain.units import rfc3339
from orchestrator.telemetry.lines import LineWriter
from orchestrator.telemetry.redaction import Redactor
from orchestrator.telemetry.repeats import Repeats

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

_LEVELS = MappingProxyType(
    {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
)
_PRIORITIES = MappingProxyType({"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2})
"""The syslog priorities, which the journal reads from the beginning of a line."""


def configure(
    *,
    level: Level,
    style: Format,
    stream: TextIO,
    clock: Clock,
    redactor: Redactor | None = None,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> LineWriter | None:
    """Configure logging for the whole process, replacing any earlier configuration.

    Args:
        level: the lowest level that is logged.
        style: `auto` means console on a terminal and JSON elsewhere.
        stream: where lines go; stderr outside of tests.
        clock: gives the timestamps.
        redactor: removes secrets from every line.
        environ: provides `$JOURNAL_STREAM`; JSON lines to the journal begin with their priority (`<6>`).

    Returns:
        The writer of the stream's descriptor, which must be closed at the end; None if the stream has no descriptor
        and is written to directly.
    """
    console = style == "console" or (style == "auto" and stream.isatty())
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        _Stamp(clock),
        _Redact(redactor or Redactor()),
    ]
    renderer = _console(stream) if console else _Json(prefixed=_is_journal(stream, environ))
    writer = _writer(stream, [*chain, renderer])
    structlog.configure(
        processors=[*chain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream) if writer is None else partial(_Lines, writer),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream) if writer is None else _Handler(writer)
    _configure_libraries([_from_library, *chain, renderer], max(logging.WARNING, _LEVELS[level]), handler, clock)
    return writer


def _writer(stream: TextIO, processors: list[Processor]) -> LineWriter | None:
    try:
        descriptor = stream.fileno()
    except OSError:
        return None  # a stream without a file behind it, as in tests

    def report(count: int) -> str:
        line: Any = {"level": "warning", "event": "log_lines_lost", "count": count}
        for processor in processors[2:]:  # after the level and the context of a thread
            line = processor(None, "warning", line)
        return str(line)

    return LineWriter(descriptor, report=report)


class _Lines:
    """A structlog logger that passes its lines to the writer."""

    def __init__(self, writer: LineWriter, *_args: object) -> None:
        self.msg = self.debug = self.info = self.warning = self.error = self.critical = writer.write


class _Handler(logging.Handler):
    """A standard logging handler that passes its lines to the writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.write(self.format(record))
        except Exception:  # noqa: BLE001 - a record that cannot be formatted counts as a lost line
            self._writer.lose()


def _configure_libraries(processors: list[Processor], level: int, handler: logging.Handler, clock: Clock) -> None:
    handler.addFilter(Repeats(clock))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[*processors[:-1], structlog.stdlib.ProcessorFormatter.remove_processors_meta, processors[-1]]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)


def _from_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Convert a standard logging record to an event with its message and logger."""
    record: logging.LogRecord = event["_record"]
    event.update(event="library_warning", message=event["event"], logger=record.name)
    if repeated := getattr(record, "repeated", 0):
        event["repeated"] = repeated
    return event


class _Stamp:
    """Puts timestamp, level and event at the beginning of each line."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        first = {"timestamp": rfc3339(self._clock.now()), "level": event.pop("level"), "event": event.pop("event")}
        return {**first, **event}


class _Redact:
    """Removes secrets from all values, including formatted exceptions, and converts them to JSON types."""

    _LIBRARY = frozenset({"_record", "_from_structlog"})
    """Internal keys of structlog, which it removes before rendering."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        own = {key: value for key, value in event.items() if key in self._LIBRARY}
        logged = {key: value for key, value in event.items() if key not in self._LIBRARY}
        return {**self._redactor.value(logged), **own}


class _Json:
    """Renders one JSON object per line; for the journal, prefixed with the priority."""

    def __init__(self, *, prefixed: bool) -> None:
        self._prefixed = prefixed
        self._render = structlog.processors.JSONRenderer(ensure_ascii=False)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        prefix = f"<{_PRIORITIES.get(event['level'], 6)}>" if self._prefixed else ""
        return f"{prefix}{self._render(logger, method, event)!s}"


def _console(stream: TextIO) -> structlog.dev.ConsoleRenderer:
    # The plain formatter: the other ones can include local variables.
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is the one that systemd connected to the journal."""
    named = environ.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        found = os.fstat(stream.fileno())
    except OSError:
        return False  # a stream without a file behind it, as in tests
    return named == f"{found.st_dev}:{found.st_ino}"
