"""Sessions of operators who logged in with the server's token. They are kept in memory: a restart ends all of them.

The cookie holds a random id and nothing else. The server keeps only the id's digest, so that a dump of its memory or a
log line with a key of the table opens no session.
"""

import hashlib
import hmac
import math
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from orchestrator.clock import Clock
from orchestrator.domain.messages.printable import printable

COOKIE = "orchestrator_session"
LIFETIME = 12 * 3600.0
"""Seconds for which a login is valid, used or not."""
MOST_SESSIONS = 1000
"""Sessions at a time; a further login ends the oldest."""
MOST_FAILURES = 5
"""Failed logins of one address within `FAILURE_WINDOW`, after which it has to wait."""
FAILURE_WINDOW = 60.0
MOST_ADDRESSES = 10_000
"""Addresses whose failed logins are counted; a further one displaces the one that failed longest ago."""
LONGEST_NAME = 60
"""Characters of a name typed at login."""


class WrongTokenError(Exception):
    """The token of a login is not the configured one."""


class TooManyFailuresError(Exception):
    """An address has failed too often; `retry_in` is the number of seconds until it may try again."""

    def __init__(self, retry_in: float) -> None:
        super().__init__(f"too many failed logins: try again in {math.ceil(retry_in)} s")
        self.retry_in = retry_in


@dataclass(slots=True, eq=False)
class Session:
    """One login."""

    name: str
    """As typed at login, safe to print. It is a statement of the user, and nothing is decided by it."""
    address: str
    csrf: str
    """The token that every form of this session carries."""
    ends_at: float
    """On the monotonic clock."""
    notices: deque[str] = field(default_factory=lambda: deque(maxlen=5))
    """Outcomes of actions, shown on the next page."""

    @property
    def actor(self) -> str:
        """Who acts, for the history of a job."""
        return f"{self.name} (token, from {self.address})"


class Sessions:
    """All sessions, and the failed logins of the last minute."""

    def __init__(self, token: str | None, clock: Clock) -> None:
        self._token = token.encode() if token is not None else None
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def log_in(self, token: str, name: str, address: str) -> str:
        """Begin a session; returns the value of its cookie.

        Raises:
            WrongTokenError: the token is not the configured one.
            TooManyFailuresError: the address has failed too often in the last minute; the token was not compared.
        """
        now, origin = self._clock.monotonic(), _network(address)
        self._refuse_while_blocked(origin, now)
        right = self._token is not None and hmac.compare_digest(token.strip().encode(), self._token)
        if not right:
            self._note_failure(origin, now)
            raise WrongTokenError
        self._failures.pop(origin, None)
        value = secrets.token_urlsafe(32)
        shown = printable(name.strip())[:LONGEST_NAME] or "unnamed"
        self._open[_digest(value)] = Session(shown, address, secrets.token_urlsafe(32), now + LIFETIME)
        while len(self._open) > MOST_SESSIONS:
            self._open.popitem(last=False)
        return value

    def find(self, headers: Headers) -> Session | None:
        """The session of a request; None if it has none, or one that has ended."""
        value = cookie_in(headers)
        session = self._open.get(_digest(value)) if value is not None else None
        if session is None or value is None:
            return None
        if self._clock.monotonic() >= session.ends_at:
            self.end(value)
            return None
        return session

    def end(self, value: str) -> None:
        """Log out."""
        self._open.pop(_digest(value), None)

    def _refuse_while_blocked(self, origin: str, now: float) -> None:
        failed = self._failures.get(origin, deque())
        while failed and now - failed[0] >= FAILURE_WINDOW:
            failed.popleft()
        if len(failed) >= MOST_FAILURES:
            raise TooManyFailuresError(FAILURE_WINDOW - (now - failed[0]))

    def _note_failure(self, origin: str, now: float) -> None:
        self._failures.setdefault(origin, deque(maxlen=MOST_FAILURES)).append(now)
        self._failures.move_to_end(origin)
        while len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)


def cookie_in(headers: Headers) -> str | None:
    """The value of the session cookie of a request."""
    return cookie_parser(headers.get("cookie", "")).get(COOKIE)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _network(address: str) -> str:
    """What counts as one address: of IPv6 the /64 network, which one host may use as a whole."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))
