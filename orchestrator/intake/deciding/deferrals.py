"""Files that a local error keeps from being decided: each is retried, less and less often."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import structlog

from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.polling.backoff import doubled

LONGEST_PAUSE = 60.0
"""Maximum seconds until a file is retried."""
ERROR_PATIENCE = 120.0
"""Seconds after which an error counts as lasting: the operator has to repair something."""


log = structlog.get_logger(__name__)


def reason_of(error: Exception) -> str:
    """The reason in one line; the traceback of an unexpected error goes to the log."""
    if not isinstance(error, OSError | OrchestratorError):
        log.error("intake_failed", exc_info=error)
    return f"{type(error).__name__}: {error}"


@dataclass(slots=True)
class _Deferred:
    until: float
    tries: int
    since: float
    reason: str

    def lasts(self, now: float) -> bool:
        """Whether the error counts as lasting."""
        return now - self.since >= ERROR_PATIENCE


class Deferrals:
    """Deferred files, by name. Times are seconds on the monotonic clock."""

    def __init__(self) -> None:
        self._deferred: dict[str, _Deferred] = {}

    def defer(self, name: str, reason: str, now: float) -> None:
        """Record a failure, which need not be the first."""
        before = self._deferred.get(name)
        tries, since = (before.tries + 1, before.since) if before else (1, now)
        self._deferred[name] = _Deferred(now + doubled(1.0, tries, LONGEST_PAUSE), tries, since, reason)

    def end(self, name: str) -> None:
        """Record that the file was decided."""
        self._deferred.pop(name, None)

    def forget_gone(self, present: Collection[str]) -> None:
        """Keep only what is still there."""
        for name in self._deferred.keys() - set(present):
            del self._deferred[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._deferred)

    def __contains__(self, name: str) -> bool:
        return name in self._deferred

    def pause(self, name: str, now: float) -> float | None:
        """Seconds until it is retried, 0 or less when that is now; None if it is not deferred."""
        deferred = self._deferred.get(name)
        return deferred.until - now if deferred else None

    def lasts(self, name: str, now: float) -> bool:
        """Whether the error counts as lasting."""
        deferred = self._deferred.get(name)
        return deferred is not None and deferred.lasts(now)

    def lasting(self, now: float) -> Mapping[str, str]:
        """Files whose error counts as lasting: name → reason."""
        return {name: each.reason for name, each in self._deferred.items() if each.lasts(now)}
