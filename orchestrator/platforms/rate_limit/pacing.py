"""When each request goes: one schedule for all lanes of an account.

Pure and synchronous: told the time, it says who is granted now and when to ask again. While everything that waits or
was declared fits into what is left, requests go at once. When it does not fit, they are spread: over the window, and
thinner where a burst has left too few slots to last until it comes back. So a slot stands ready when something urgent
arrives, and the urgent request moves the schedule on by its own share: otherwise the window would run out early and
leave a hole.

A platform's word that nothing is left is not proof: it may be out of date, or mean something else than we read. While
it alone holds everything up, a request goes now and then, after a pause, and hears what holds. If that one is refused
(429), it is no news of another client.
"""

import math

from orchestrator.platforms.rate_limit.lanes import Lane, Queue, Ticket
from orchestrator.platforms.rate_limit.slots import ThrottleState
from orchestrator.platforms.rate_limit.window import Window

_RESERVE = 3
"""Slots that only urgent requests may use; at most 1 % of all."""
_AHEAD = 4
"""By how many shares urgent requests may push the schedule into the future."""
_OUTLOOK = 64
"""Into how many parts the window ahead is divided to see whether what is left will last."""
_SUSPICION = 0.05
"""The part of all slots held back for each refusal that our own requests do not explain."""
_PROBE = 1 / 30
"""The part of a window after which a request asks whether the platform's word that nothing is left still holds."""


class Schedule:
    """Decides who is granted a slot at a time, and when the next grant is possible."""

    def __init__(self, window: Window, per: float) -> None:
        self.window = window
        self.queue = Queue(overdraft=max(_AHEAD, window.size // 20))
        self.others = OtherClients(window.size, per, window.standing)
        self.closed_until = window.standing.closed_until
        """When the platform wants requests again; minus infinity if it was never closed."""
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
        """How many requests the lane would send within this window, those that wait here included.

        Each grant counts one off. What was declared holds for one window.
        """
        self._declared[lane] = (max(0, requests), now + self._per)

    def close(self, until: float) -> None:
        """Grant nothing before `until`, nor after a restart. What is closed is never opened earlier by this."""
        self.closed_until = max(self.closed_until, until)
        self._keep()

    def suspect(self, now: float) -> None:
        """Somebody else spends the credential: hold slots back for them, after a restart too."""
        self.others.suspect(now)
        self._keep()

    def grant(self, now: float) -> Ticket | None:
        """Give a slot to whoever may go at `now`; None when nobody may."""
        if not self.queue or now < self.closed_until:
            return None
        free = self.free(now)
        due = self._due(now, free - self._reserve)
        if due <= now:
            ticket = self.queue.first()
            if due > -math.inf:  # late by less than a share, the schedule keeps its beat; later, it starts from here
                self._paced_at = max(due, now - self._share(now))
        else:
            ticket = self.queue.urgent() if free > 0 else None
            if ticket is not None:
                self._put_off(now)
            elif self._probe_at(now) <= now:
                ticket = self._probe(now)
        if ticket is not None:
            self._serve(ticket, now)
        return ticket

    def next_time(self, now: float) -> float:
        """When `grant` may next find somebody, unless something changes first; infinity when it cannot tell."""
        if not self.queue:
            return math.inf
        if now < self.closed_until:
            return self.closed_until
        due = self._due(now, self.free(now) - self._reserve)
        if due < math.inf:
            return due
        return min(self.window.next_return, self.others.next_change(now), self._probe_at(now))

    def demand(self, now: float) -> int:
        """Requests that wait or were declared."""
        return sum(max(self.declared(lane, now), self.queue.waiting(lane)) for lane in Lane)

    def declared(self, lane: Lane, now: float) -> int:
        """What is left of the lane's declaration."""
        requests, until = self._declared[lane]
        return requests if now < until else 0

    def paced(self, now: float) -> bool:
        """Whether requests are being spread."""
        return self.demand(now) > self.free(now) - self._reserve

    def told(self, ticket: Ticket | None, remaining: int, until: float, now: float) -> None:
        """The answer to this ticket's request says how many requests the platform has left for us.

        What we believe is left is lowered by the slots that came back since the request left, for the platform may have
        counted them still. So only somebody else's requests can make the platform's number the smaller one.
        """
        free = self.window.free(now)
        came_back = self.window.returned - ticket.returned if ticket else 0
        self.others.told(max(0, free - came_back - remaining), until, ticket.taken_at if ticket else now)

    def free(self, now: float) -> int:
        """Slots that may be taken; below zero when others have spent what was ours."""
        return self.window.free(now) - self.others.withheld(now)

    def _due(self, now: float, open_to_all: int) -> float:
        """When the next request that is not urgent goes.

        Minus infinity: at once, all fits. Infinity: once a slot comes back. Otherwise an even share after the last one,
        or later if what is left must last longer: up to any time ahead, no more go than slots will be there by then.
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
        """When a request goes although the platform leaves us none; infinity when that is not what we wait for."""
        ours = self.window.free(now) - self._reserve
        return self.others.probe_at(now) if 0 < ours <= self.others.reported_now(now) else math.inf

    def _probe(self, now: float) -> Ticket | None:
        ticket = self.queue.urgent() or self.queue.first()
        if ticket is not None:
            ticket.probe = True
            self.others.probed(now)
        return ticket

    def _share(self, now: float) -> float:
        """Seconds between two requests when the whole window is spread evenly."""
        return self._per / max(1, self.window.size - self.others.withheld(now))

    def _put_off(self, now: float) -> None:
        """An urgent request went out of turn: it takes the place of the next one on the schedule."""
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
    """Somebody else who spends the same credential: as many of our slots stay unused as they seem to need."""

    def __init__(self, size: int, per: float, past: ThrottleState) -> None:
        self._size = size
        self._per = per
        self._told = 0
        self._reported_at = -math.inf
        self._reported_until = -math.inf
        self._probed_at = -math.inf
        self.suspected = past.suspected if 0 <= past.suspected < size else size - 1.0
        """Slots held back since the last refusal, before they fade."""
        self.fades_at = past.fades_at
        """From when they do."""

    def told(self, slots: int, until: float, asked_at: float) -> None:
        """The platform's own count proves this many; it holds until `until`, or until a later request tells anew."""
        if asked_at >= self._reported_at:
            self._told, self._reported_at, self._reported_until = slots, asked_at, until

    def reported_now(self, now: float) -> int:
        """The slots that the platform's own count proves to be somebody else's."""
        return self._told if now < self._reported_until else 0

    def probed(self, now: float) -> None:
        """A request goes to hear whether that count still holds."""
        self._probed_at = now

    def probe_at(self, now: float) -> float:
        """When a request may go to hear it; infinity when there is no such count."""
        return max(self._reported_at, self._probed_at) + self._per * _PROBE if self.reported_now(now) else math.inf

    def suspect(self, now: float) -> None:
        """A refusal that our own requests do not explain: hold some more back for one window, then less and less."""
        step = max(1.0, self._size * _SUSPICION)
        self.suspected = min(self._fading(now) + step, self._size - 1.0)
        self.fades_at = now + self._per

    def withheld(self, now: float) -> int:
        """Slots to leave alone at `now`."""
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
