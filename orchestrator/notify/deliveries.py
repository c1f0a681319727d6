"""Delivers notices: each until the receiver accepts it, or twelve attempts over three days have failed."""

import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

import anyio.abc
import anyio.to_thread

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.domain.polling.backoff import doubled
from orchestrator.domain.webhook import Target, WebhookTerms, parse_target
from orchestrator.notify.body import compose
from orchestrator.notify.client import Reply, UndeliverableError
from orchestrator.notify.signing import signed_headers
from orchestrator.store.errors import StoreError
from orchestrator.store.notices import PendingNotice
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import ComponentError, Event
from orchestrator.telemetry.webhook_events import WebhookDelayed, WebhookDelivered, WebhookGivenUp

IDLE_PAUSE = 60.0
"""Maximum seconds between two reads of the notices, woken or not."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
DELAYS = (5.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, DAY)
"""Seconds after each failed attempt until the next: three days in all. After one more the notice is given up."""
JITTER = 0.1
"""The part by which a delay may be longer, so that notices of one outage do not come back together."""
MOST_IN_FLIGHT = 8
MOST_OF_HOST = 2
"""Attempts in flight to one receiver: one that hangs does not keep others waiting."""
PORTION = 100
"""Notices that are read at a time."""
_GONE = 410
_GOOD = range(200, 300)
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, HOUR
"""Seconds until a notice is tried again whose attempt could not be recorded; doubled with each that follows."""


class Client(Protocol):
    """Sends a webhook; see `WebhookClient`."""

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send it; raises UndeliverableError where there is no response."""
        ...


@dataclass(frozen=True, slots=True)
class Sender:
    """What all webhooks of an installation have in common."""

    instance: str
    secrets: Callable[[], Sequence[str]]
    """Returns the secrets, each `whsec_…`, newest first. Called in a thread for each attempt, as they are rotated."""
    terms: WebhookTerms


@dataclass(frozen=True, slots=True)
class _Failure:
    """An attempt that did not deliver."""

    reason: str
    final: bool = False
    """Whether the receiver wants no more of it."""
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class _Unrecorded:
    """How often in a row a notice could not be read or recorded, and when it is tried again, on the monotonic clock."""

    times: int
    next_try: float


class Deliveries:
    """Takes the due notices from the store, and calls their webhooks. Due times are durable, in wall time."""

    name = "webhooks"

    def __init__(
        self,
        sender: Sender,
        *,
        client: Client,
        store: Store,
        clock: Clock,
        bus: Bus[Event],
        random: Random,
        group: anyio.abc.TaskGroup,
    ) -> None:
        self.wake: Callable[[], None] = lambda: None
        """Called when an attempt has ended; wakes the loop that calls `turn`."""
        self._sender = sender
        self._client = client
        self._store = store
        self._clock = clock
        self._bus = bus
        self._random = random
        self._group = group
        self._in_flight: dict[str, str] = {}
        self._unrecorded: dict[str, _Unrecorded] = {}
        """Notices with an attempt that the database does not know of, by id."""

    async def turn(self) -> float:
        """Start the attempts that are due and fit; returns the seconds until more may be due."""
        now = self._clock.now()
        await self._store.notices.bound_due(now + round(max(DELAYS) * (1 + JITTER) * SECOND))
        due = await self._store.notices.next_due()
        if due is None:
            self._unrecorded.clear()
        if due is None or due > now:
            return IDLE_PAUSE if due is None else min(IDLE_PAUSE, (due - now) / SECOND)
        await self._start_due(now)
        # What else is due is in flight, or waits for one that is: its end wakes the loop.
        monotonic = self._clock.monotonic()
        pauses = [each.next_try - monotonic for each in self._unrecorded.values() if each.next_try > monotonic]
        return min([IDLE_PAUSE, *pauses])

    async def _start_due(self, now: Micros) -> None:
        """Read what is due until enough is in flight, so that many notices of one receiver keep no other waiting."""
        last: PendingNotice | None = None
        while len(self._in_flight) < MOST_IN_FLIGHT:
            due = await self._store.notices.due(now, limit=PORTION, after=last)
            if not due:
                return
            for pending in due:
                self._start_if_free(pending)
            last = due[-1]

    def _start_if_free(self, pending: PendingNotice) -> None:
        host, hosts = _host_of(pending), Counter(self._in_flight.values())
        if pending.id in self._in_flight or self._rests(pending):
            return
        if hosts[host] < MOST_OF_HOST and hosts.total() < MOST_IN_FLIGHT:
            self._in_flight[pending.id] = host
            self._group.start_soon(partial(self._deliver, pending))

    def _rests(self, pending: PendingNotice) -> bool:
        unrecorded = self._unrecorded.get(pending.id)
        return unrecorded is not None and unrecorded.next_try > self._clock.monotonic()

    async def _deliver(self, pending: PendingNotice) -> None:
        """One attempt and its record. What cannot be recorded is reported; the notice stays due, and is tried again."""
        try:
            await self._record(pending, await self._outcome(pending))
            self._unrecorded.pop(pending.id, None)
        except Exception as error:  # noqa: BLE001 - neither the database nor a bug may end the daemon
            before = self._unrecorded.get(pending.id)
            times = before.times + 1 if before else 1
            delay = doubled(_FIRST_PAUSE, times, _LONGEST_PAUSE)
            self._unrecorded[pending.id] = _Unrecorded(times, self._clock.monotonic() + delay)
            self._report(error, delay)
        finally:
            del self._in_flight[pending.id]
            self.wake()

    async def _outcome(self, pending: PendingNotice) -> _Failure | None:
        """What an attempt came to; a local error is a failure like any other, and is tried again as rarely."""
        try:
            return await self._attempt(pending)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug, or what nobody thought of: it must not be tried without end
            self._report(error, DELAYS[min(pending.tries, len(DELAYS) - 1)])
            return _Failure(f"it could not be sent by this program: {type(error).__name__}: {error}")

    def _report(self, error: Exception, retry_in_s: float) -> None:
        text = "".join(traceback.format_exception(error))
        self._bus.publish(ComponentError(self.name, text, retry_in_s))

    async def _attempt(self, pending: PendingNotice) -> _Failure | None:
        secrets = await anyio.to_thread.run_sync(self._sender.secrets)
        if not secrets or pending.notify is None:
            return _Failure("there is no secret to sign with: set `notify.secret_file` in the configuration")
        target = parse_target(pending.notify.webhook)
        if not self._sender.terms.allow(target):
            return _Failure(f"{target.authority} is no longer in `notify.allowed_hosts` of the configuration")
        change = await self._store.notices.change_of(pending)
        body = compose(pending, change, self._sender.instance)
        headers = signed_headers(secrets, pending.id, self._clock.now(), body)
        try:
            reply = await self._client.post(target, headers, body)
        except UndeliverableError as error:
            return _Failure(str(error))
        if reply.status in _GOOD:
            return None
        text = f"HTTP {reply.status}" + (f": {reply.text}" if reply.text else "")
        return _Failure(text, final=reply.status == _GONE, retry_after=reply.retry_after or 0.0)

    async def _record(self, pending: PendingNotice, failure: _Failure | None) -> None:
        host, now, notices = _host_of(pending), self._clock.now(), self._store.notices
        if failure is None:
            await notices.delivered(pending, f"delivered to {host}", now)
            self._bus.publish(WebhookDelivered(pending.job_name, pending.notice, host, pending.tries + 1))
        elif failure.final or pending.tries >= len(DELAYS):
            await notices.give_up(pending, failure.reason, now)
            event = WebhookGivenUp(pending.job_name, pending.notice, host, failure.reason, pending.tries + 1)
            self._bus.publish(event)
        else:
            delay = self._delay(pending, failure)
            await notices.failed(pending, failure.reason, due_at=now + round(delay * SECOND))
            self._bus.publish(WebhookDelayed(pending.job_name, pending.notice, host, failure.reason, delay))

    def _delay(self, pending: PendingNotice, failure: _Failure) -> float:
        planned = DELAYS[pending.tries] * (1 + self._random.random() * JITTER)
        return max(planned, min(failure.retry_after, DAY))


def _host_of(pending: PendingNotice) -> str:
    """The receiver, for limits and messages: never the path, which may hold a token."""
    try:
        return parse_target(pending.notify.webhook).authority if pending.notify is not None else "-"
    except ValueError:
        return "-"
