"""The queue of requests that wait for a slot, in lanes.

Control requests go first, then submissions, then polls; within a lane the lower priority number goes first, then first
in, first out. So that no lane starves, submissions and polls have floors: a guaranteed share of the grants while they
have requests waiting. A lane that is owed a whole grant goes before all others.
"""

from collections import OrderedDict
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

URGENT: Final = -1
"""A submission of this priority or a lower number is exempt from pacing and may use the reserve, as control is."""

_WHOLE: Final = 100
"""One grant; the floors are kept in hundredths of it, so that sums stay exact."""


class Lane(StrEnum):
    """What a request is for."""

    CONTROL = "control"
    """Credentials and health checks."""
    SUBMIT = "submit"
    """Requests that change something on the platform: submissions and aborts."""
    POLL = "observe"
    """Polls."""


_FLOORS: Final[Mapping[Lane, int]] = MappingProxyType({Lane.SUBMIT: 30, Lane.POLL: 50})


class Ticket:
    """One request: first waiting in the queue, then holding a slot."""

    __slots__ = ("asked_at", "lane", "priority", "probe", "returned", "slot", "taken_at")

    def __init__(self, lane: Lane, priority: int, asked_at: float) -> None:
        self.lane = lane
        self.priority = priority
        self.asked_at = asked_at
        self.slot: int | None = None
        """The slot's number, once granted."""
        self.taken_at = asked_at
        """When it was granted."""
        self.returned = 0
        """`Window.returned` when it was granted."""
        self.probe = False
        """Whether it was granted although the platform reported no requests left, to check whether that still holds."""

    @property
    def urgent(self) -> bool:
        return self.lane is Lane.CONTROL or (self.lane is Lane.SUBMIT and self.priority <= URGENT)


class Queue:
    """Waiting tickets. Every operation is O(1) in their number.

    Urgent requests may overtake until another lane is owed `overdraft` grants, so that they do not starve the others.
    """

    def __init__(self, overdraft: int) -> None:
        self._overdraft = overdraft * _WHOLE
        self._lanes: dict[Lane, dict[int, OrderedDict[Ticket, None]]] = {lane: {} for lane in Lane}
        self._waiting = dict.fromkeys(Lane, 0)
        self._length = 0
        self._owed = dict.fromkeys(_FLOORS, 0)

    def __len__(self) -> int:
        return self._length

    def waiting(self, lane: Lane) -> int:
        return self._waiting[lane]

    def add(self, ticket: Ticket) -> None:
        self._lanes[ticket.lane].setdefault(ticket.priority, OrderedDict())[ticket] = None
        self._waiting[ticket.lane] += 1
        self._length += 1

    def remove(self, ticket: Ticket) -> None:
        """Remove a ticket that was granted or cancelled.

        Raises:
            KeyError: the ticket is not in the queue.
        """
        lane = self._lanes[ticket.lane]
        equals = lane[ticket.priority]
        del equals[ticket]
        if not equals:
            del lane[ticket.priority]
        self._waiting[ticket.lane] -= 1
        self._length -= 1

    def first(self) -> Ticket | None:
        """The ticket to grant next."""
        due = {lane: self._owed[lane] + share for lane, share in _FLOORS.items() if self._waiting[lane]}
        lane = max(due, key=due.__getitem__, default=None)
        if lane is not None and due[lane] >= _WHOLE:
            return self._head(lane)
        return next((self._head(lane) for lane in Lane if self._waiting[lane]), None)

    def urgent(self) -> Ticket | None:
        """The urgent ticket that may overtake, if any."""
        heads = (self._head(lane) for lane in (Lane.CONTROL, Lane.SUBMIT) if self._waiting[lane])
        return next((head for head in heads if head.urgent and not self._starves(head.lane)), None)

    def grant(self, ticket: Ticket) -> None:
        """Remove a granted ticket, and update what the lanes are owed."""
        for lane, share in _FLOORS.items():
            self._owed[lane] = self._owed[lane] + share if self._waiting[lane] else 0
        if ticket.lane in self._owed:
            self._owed[ticket.lane] = max(0, self._owed[ticket.lane] - _WHOLE)
        self.remove(ticket)

    def _starves(self, lane: Lane) -> bool:
        """Whether another lane is owed too much for this one to overtake."""
        return any(owed >= self._overdraft for other, owed in self._owed.items() if other is not lane)

    def _head(self, lane: Lane) -> Ticket:
        priorities = self._lanes[lane]
        return next(iter(priorities[min(priorities)]))
