"""Runs the steps of one account: reports their errors, delays what failed, and closes a refused account."""

import traceback
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from orchestrator.clock import Clock
from orchestrator.domain.errors import OrchestratorError, Refused, Unauthorised
from orchestrator.engine.account_gate import AccountGate
from orchestrator.engine.retry_delays import RetryDelays
from orchestrator.engine.shared_users import Users
from orchestrator.platforms.http.contact import Contact
from orchestrator.platforms.platform import Platform
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, TaskBug, TaskRetry

ABORT, POLL, SUBMIT = "abort", "poll ", "submit "
"""The beginnings of step names."""

MAX_FAILURE_AGE = 1800.0
"""Seconds after which a failed submission or abort is forgotten: a step that is retried fails more often than that."""

Delay = Callable[[float, Exception], Awaitable[None]]
"""Delays whatever a failed step worked on, given the seconds and the error."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last failure of a step."""

    count: int
    """Failures in a row."""
    reason: str
    at: float
    """On the monotonic clock."""


class StepRunner:
    """Runs steps, each under a name. An error of one step never stops another."""

    def __init__(
        self,
        account: str,
        *,
        max_interval: float,
        platform: Platform,
        gate: AccountGate,
        contact: Contact,
        users: Users | None,
        clock: Clock,
        bus: Bus[Event],
        retry_delays: RetryDelays,
        on_open: Callable[[], None],
    ) -> None:
        """`max_interval`: minimum seconds until a refused step is retried; `on_open` is called when the gate opens."""
        self._account = account
        self._max_interval = max_interval
        self._platform = platform
        self._gate = gate
        self._contact = contact
        self._users = users
        self._clock = clock
        self._bus = bus
        self._retry_delays = retry_delays
        self._on_open = on_open
        self._failures: dict[str, _Failure] = {}  # the newest last

    async def run(self, name: str, step: Callable[[], Awaitable[object]], delay: Delay) -> None:
        """Run one step. An error is reported, and `delay` is called with the seconds until the retry."""
        try:
            if self._users is not None:
                self._users.check(self._account, await self._platform.user())
            await step()
        except Unauthorised as rejection:
            # The step is delayed too. Otherwise one that alone is rejected would keep the account closed.
            seconds = self._retry_delays(self._record(name, rejection).count)
            self._gate.close(rejection)
            await delay(seconds, rejection)
        except Exception as error:  # noqa: BLE001 - a bug in one step must not stop the others; its traceback is logged
            await delay(self.report_failure(name, error), error)
        else:
            self._failures.pop(name, None)
            if self._gate.open():
                self._on_open()

    def report_failure(self, name: str, error: Exception) -> float:
        """Publish the error of a step; returns the seconds until its retry."""
        seconds = self._retry_delays(self._record(name, error).count)
        if isinstance(error, Refused):
            seconds = max(seconds, self._max_interval)
        if isinstance(error, OrchestratorError):
            self._bus.publish(TaskRetry(self._account, name, str(error), seconds))
        else:
            text = "".join(traceback.format_exception(error))
            self._bus.publish(TaskBug(self._account, name, text, seconds))
        return seconds

    def concurrency(self, most: int) -> int:
        """How many steps may run at a time: `most`, or one while probing."""
        return 1 if self.probing else most

    @property
    def probing(self) -> bool:
        """Whether the credential is refused or nothing has succeeded for long, so that one step at a time is enough."""
        return self._gate.refused or self._contact.rests

    @property
    def last_error(self) -> str | None:
        """The latest error of the steps that failed last time; None when there are none."""
        if not self._failures:
            return None
        name, failure = next(reversed(self._failures.items()))
        more = len(self._failures) - 1
        return f"{name}: {failure.reason}" + (f" (and {more} more)" if more else "")

    def forget(self, name: str) -> None:
        """Forget the failure of a step that has nothing to do any more."""
        self._failures.pop(name, None)

    def forget_outdated(self, polls: Collection[str]) -> None:
        """Forget failures of polls that are not among the step names `polls`, and old ones of other steps."""
        oldest = self._clock.monotonic() - MAX_FAILURE_AGE
        self._failures = {
            name: failure
            for name, failure in self._failures.items()
            if (name in polls if name.startswith(POLL) else failure.at >= oldest)
        }

    def _record(self, name: str, error: Exception) -> _Failure:
        before = self._failures.pop(name, None)
        reason = str(error) or type(error).__name__
        failure = _Failure(before.count + 1 if before else 1, reason, self._clock.monotonic())
        self._failures[name] = failure
        return failure
