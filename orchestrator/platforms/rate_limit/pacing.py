"""Decides when each request of an account is granted a slot: one schedule for all lanes.

Pure and synchronous: given the time, it returns what is granted now and when to ask again. While all waiting and
declared requests fit into the free slots, they are granted at once. Otherwise they are spread evenly over the window,
and further apart when a burst has left too few slots until its slots return. So a slot is free when an urgent request
arrives. An urgent request delays the schedule by its share, or the window would run out early and leave a gap.

When the platform reports that no requests are left, this may be out of date or mean something else. While only that
report blocks requests, one request (a probe) is sent from time to time to check it. A probe that is refused (429) is no
sign of another client.
"""

import math

from orchestrator.platforms.rate_limit.lanes import Lane, Queue, Ticket
from orchestrator.platforms.rate_limit.slots import ThrottleState
from orchestrator.platforms.rate_limit.window import Window

_RESERVE = 3
"""Slots that only urgent requests may use; at most 1 % of all."""
_AHEAD = 4
"""By how many shares urgent requests may delay the schedule."""
_OUTLOOK = 64
"""Number of points within the next window at which it is checked whether the free slots suffice until then."""
_SUSPICION = 0.05
"""The part of all slots that is withheld for each refusal (429) inside the limit."""
_PROBE = 1 / 30
"""The part of a window between two probes."""


class Schedule:
    """Decides which request is granted a slot, and when the next grant is possible."""

    def __init__(self, window: Window, per: float) -> None:
        self.window = window
        self.queue = Queue(overdraft=max(_AHEAD, window.size // 20))
        self.others = OtherClients(window.size, per, window.throttle)
        self.closed_until = window.throttle.closed_until
        """When requests may be granted again; minus infinity if the account was never closed."""
        self._per = per
        self._reserve = min(_RESERVE, window.size // 100)
        self._declared = dict.fromkeys(Lane, (0, -math.inf))
        self._paced_at = 0.0  # where on the schedule the last paced request stands

    def ask(self, lane: Lane, priority: int, now: float) -> Ticket:
        """Queue a request."""
        ticket = Ticket(lane, priority, now)
        self.queue.add(ticket)
        return ticket

    def declare(self, lane: Lane, requests: int, now: float) -> None:
        """Declare how many requests a lane will send within this window, waiting ones included.

        Each grant reduces the number by one. A declaration holds for one window.
        """
        self._declared[lane] = (max(0, requests), now + self._per)

    def close(self, until: float) -> None:
        """Grant nothing before `until`, across restarts. Never shortens an earlier closure."""
        self.closed_until = max(self.closed_until, until)
        self._keep()

    def suspect(self, now: float) -> None:
        """Withhold slots for another client of the credential, across restarts."""
        self.others.suspect(now)
        self._keep()

    def grant(self, now: float) -> Ticket | None:
        """Grant a slot to the next request that may be sent at `now`; None when there is none."""
        if not self.queue or now < self.closed_until:
            return None
        free = self.free(now)
        due = self._due(now, free - self._reserve)
        if due <= now:
            ticket = self.queue.first()
            if due > -math.inf:  # late by less than a share, the schedule keeps its rhythm; else it starts from now
                self._paced_at = max(due, now - self._share(now))
        else:
            ticket = self.queue.urgent() if free > 0 else None
            if ticket is not None:
                self._delay_schedule(now)
            elif self._probe_at(now) <= now:
                ticket = self._probe(now)
        if ticket is not None:
            self._serve(ticket, now)
        return ticket

    def next_time(self, now: float) -> float:
        """When `grant` may next grant a request, unless something changes before; infinity when that is unknown."""
        if not self.queue:
            return math.inf
        if now < self.closed_until:
            return self.closed_until
        due = self._due(now, self.free(now) - self._reserve)
        if due < math.inf:
            return due
        return min(self.window.next_return, self.others.next_change(now), self._probe_at(now))

    def demand(self, now: float) -> int:
        """The number of requests that are waiting or declared."""
        return sum(max(self.declared(lane, now), self.queue.waiting(lane)) for lane in Lane)

    def declared(self, lane: Lane, now: float) -> int:
        """The rest of the lane's declaration."""
        requests, until = self._declared[lane]
        return requests if now < until else 0

    def paced(self, now: float) -> bool:
        """Whether requests are being spread over the window."""
        return self.demand(now) > self.free(now) - self._reserve

    def report_remaining(self, ticket: Ticket | None, remaining: int, until: float, now: float) -> None:
        """Apply the number of remaining requests that the response to this ticket's request reported.

        It is compared with the free slots less those that returned since the request was sent, as the platform may
        still have counted them. So only requests of another client can make the platform's number the smaller one.
        """
        free = self.window.free(now)
        returned = self.window.returned - ticket.returned if ticket else 0
        self.others.report(max(0, free - returned - remaining), until, ticket.taken_at if ticket else now)

    def free(self, now: float) -> int:
        """The number of slots that may be taken; negative when other clients used more than was free."""
        return self.window.free(now) - self.others.withheld(now)

    def _due(self, now: float, open_to_all: int) -> float:
        """When the next request that is not urgent is due.

        Minus infinity: at once, as all fit. Infinity: when a slot returns. Otherwise an even share after the last one,
        or later when the free slots must last longer: at no future time are more requests sent than slots return.
        """
        if open_to_all <= 0:
            return math.inf
        if self.demand(now) <= open_to_all:
            return -math.inf
        interval = self._share(now)
        since, step = now - self._paced_at, self._per / _OUTLOOK
        for ahead in (part * step for part in range(1, _OUTLOOK + 1)):
            slots = open_to_all + self.window.returns_before(now + ahead)
            interval = max(interval, (since + ahead) / (slots + 1))
        return self._paced_at + interval

    def _probe_at(self, now: float) -> float:
        """When a probe is due; infinity unless only the platform's report blocks requests."""
        ours = self.window.free(now) - self._reserve
        return self.others.probe_at(now) if 0 < ours <= self.others.reported_now(now) else math.inf

    def _probe(self, now: float) -> Ticket | None:
        ticket = self.queue.urgent() or self.queue.first()
        if ticket is not None:
            ticket.probe = True
            self.others.probed(now)
        return ticket

    def _share(self, now: float) -> float:
        """Seconds between two requests when all slots are spread evenly over the window."""
        return self._per / max(1, self.window.size - self.others.withheld(now))

    def _delay_schedule(self, now: float) -> None:
        """Delay the schedule by one share, as an urgent request has overtaken it."""
        share = self._share(now)
        self._paced_at = min(max(self._paced_at, now - share) + share, now + _AHEAD * share)

    def _serve(self, ticket: Ticket, now: float) -> None:
        ticket.slot = self.window.take(now)
        ticket.taken_at = now
        ticket.returned = self.window.returned
        self.queue.grant(ticket)
        requests, until = self._declared[ticket.lane]
        self._declared[ticket.lane] = (max(0, requests - 1), until)

    def _keep(self) -> None:
        self.window.keep(ThrottleState(self.closed_until, self.others.suspected, self.others.fades_at))


class OtherClients:
    """Estimates the requests of other clients of the credential; as many slots are withheld as they seem to use."""

    def __init__(self, size: int, per: float, past: ThrottleState) -> None:
        self._size = size
        self._per = per
        self._reported = 0
        self._reported_at = -math.inf
        self._reported_until = -math.inf
        self._probed_at = -math.inf
        self.suspected = past.suspected if 0 <= past.suspected < size else size - 1.0
        """Slots withheld since the last refusal, before they decay."""
        self.fades_at = past.fades_at
        """From when they decay."""

    def report(self, slots: int, until: float, asked_at: float) -> None:
        """Record the slots that the platform's count shows to be used by others; valid until `until` or a newer one."""
        if asked_at >= self._reported_at:
            self._reported, self._reported_at, self._reported_until = slots, asked_at, until

    def reported_now(self, now: float) -> int:
        """The number of slots used by others according to the platform's count."""
        return self._reported if now < self._reported_until else 0

    def probed(self, now: float) -> None:
        """Record that a probe is sent."""
        self._probed_at = now

    def probe_at(self, now: float) -> float:
        """When the next probe may be sent; infinity when the platform reports no use by others."""
        return max(self._reported_at, self._probed_at) + self._per * _PROBE if self.reported_now(now) else math.inf

    def suspect(self, now: float) -> None:
        """Withhold more slots for one window, then decaying, after a refusal inside the limit."""
        step = max(1.0, self._size * _SUSPICION)
        self.suspected = min(self._fading(now) + step, self._size - 1.0)
        self.fades_at = now + self._per

    def withheld(self, now: float) -> int:
        """The number of slots to leave unused at `now`."""
        return max(self.reported_now(now), math.ceil(self._fading(now) - 1e-9))

    def next_change(self, now: float) -> float:
        """When `withheld` next falls; infinity when nothing is withheld."""
        ends = [self._reported_until] if self.reported_now(now) else []
        left = math.ceil(self._fading(now) - 1e-9)
        if left > 0:
            ends.append(self.fades_at + self._per * (1 - (left - 1) / self.suspected))
        return min(ends, default=math.inf)

    def _fading(self, now: float) -> float:
        return self.suspected * min(1.0, max(0.0, 1 - (now - self.fades_at) / self._per))
