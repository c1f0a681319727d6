"""What goes wrong, when, and how often.

A fault names an operation (or a pattern of operations), a kind, and which calls it strikes. The first fault that
strikes a call wins. All draws come from one seeded generator, so that a run repeats itself.
"""

import fnmatch
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What happens to a call."""

    ERROR = "error"
    """`status` is answered, and nothing was done."""
    ERROR_AFTER = "error_after"
    """It was done; then `status` is answered, and nothing is kept under an idempotency key: unless it is a gateway's
    page, for then the platform itself has answered well."""
    RESET = "reset"
    """The connection is reset, and nothing was done."""
    RESET_AFTER = "reset_after"
    """It was done; then the connection is reset."""
    HANG = "hang"
    """No answer ever, until the client leaves; nothing was done."""
    HANG_AFTER = "hang_after"
    """It was done; no answer until the client leaves, and until then the call counts as still running."""
    SLOW = "slow"
    """It was done; the answer comes `seconds` later, and until then the call counts as still running."""
    TRUNCATED = "truncated"
    """It was done; half of the answer arrives, then the connection ends."""
    MALFORMED = "malformed"
    """It was done; the answer is complete HTTP, but its JSON is broken."""
    WRONG_MEDIA = "wrong_media"
    """It was done; the answer's status is right, but its body is an HTML page."""
    QUIRK = "quirk"
    """It was done, in an odd way that only this platform knows; `quirk` says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule. Without `nth`, `probability` and `count` it strikes every call of its operation."""

    kind: FaultKind
    quirk: str = ""
    """With kind QUIRK: one of the platform's `quirks`, such as `item_vanishes`."""
    operation: str = "*"
    """An operation's name, or a pattern such as `get*`."""
    nth: int | None = None
    """Only the n-th call that matches, counted from 1."""
    probability: float = 1.0
    count: int | None = None
    """At most so many times."""
    lasts: float | None = None
    """Only for so many seconds after the rule was set: a maintenance window, a credential refused for a while."""
    status: int = 500
    html: bool = False
    """Whether the error's body is a gateway's HTML page and not the platform's own JSON."""
    retry_after: float | None = None
    """Seconds to announce in `Retry-After`, with an error."""
    seconds: float = 0.0
    """How late (`slow`), or how old the answer of a quirk is."""


@dataclass(slots=True)
class _Armed:
    fault: Fault
    since: float
    seen: int = 0
    struck: int = 0


class Faults:
    """The rules in force."""

    def __init__(self, rules: Iterable[Fault], *, seed: int, now: float, quirks: frozenset[str]) -> None:
        """Raises ValueError, as `set` and `add` do, for a quirk that the platform does not have."""
        self._random = random.Random(seed)  # noqa: S311 - chaos that repeats itself, no secret
        self._quirks = quirks
        self._armed: list[_Armed] = []
        self.set(rules, now)

    @property
    def rules(self) -> Sequence[Fault]:
        return [armed.fault for armed in self._armed]

    @property
    def struck(self) -> Sequence[tuple[Fault, int]]:
        """Each rule, and how often it has struck."""
        return [(armed.fault, armed.struck) for armed in self._armed]

    def set(self, rules: Iterable[Fault], now: float) -> None:
        """Replace all rules; their counts begin anew."""
        self._armed = [_Armed(self._checked(rule), now) for rule in rules]

    def add(self, rule: Fault, now: float) -> None:
        self._armed.append(_Armed(self._checked(rule), now))

    def clear(self) -> None:
        self._armed = []

    def strike(self, operation: str, now: float) -> Fault | None:
        """The fault that this call meets, if any; counts it."""
        for armed in self._armed:
            if fnmatch.fnmatchcase(operation, armed.fault.operation) and self._strikes(armed, now):
                armed.struck += 1
                return armed.fault
        return None

    def _checked(self, rule: Fault) -> Fault:
        if rule.kind is FaultKind.QUIRK and rule.quirk not in self._quirks:
            raise ValueError(f"no such quirk: {rule.quirk!r}; this platform has {', '.join(sorted(self._quirks))}")
        if rule.kind is not FaultKind.QUIRK and rule.quirk:
            raise ValueError(f"a fault of kind {rule.kind} has no quirk: {rule.quirk!r}")
        return rule

    def _strikes(self, armed: _Armed, now: float) -> bool:
        fault = armed.fault
        armed.seen += 1
        if fault.nth is not None and armed.seen != fault.nth:
            return False
        if fault.count is not None and armed.struck >= fault.count:
            return False
        if fault.lasts is not None and now >= armed.since + fault.lasts:
            return False
        return fault.probability >= 1.0 or self._random.random() < fault.probability
