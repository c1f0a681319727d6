"""The requests of the last hour by account, minute and lane, and their chart. In memory: it begins with the daemon."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.platforms.rate_limit.lanes import Lane
from orchestrator.telemetry.events import Event, RequestDone
from orchestrator.web.pages.content.formatting import counted, number

MINUTES = 60
LANES = (Lane.CONTROL, Lane.SUBMIT, Lane.POLL)
"""From the bottom of a column to its top."""
LANE_NAMES: Mapping[Lane, str] = {Lane.CONTROL: "control", Lane.SUBMIT: "submit", Lane.POLL: "poll"}
BAR, GAP = 9, 2
"""Units of the drawing."""
HEIGHT = 120
_ROW_MINUTES = 5
_MICROS_PER_MINUTE = 60 * SECOND


@dataclass(slots=True)
class _Minute:
    """One minute of one account."""

    number: int
    """Since 1970."""
    lanes: Counter[str] = field(default_factory=Counter)
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """One lane in one minute of the chart."""

    lane: str
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Row:
    """Five minutes of the table beside the chart."""

    begins: Micros
    lanes: Mapping[str, int]
    failed: int
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    """The last hour of one account: a drawing, the same as a table, and the same in a sentence."""

    bars: Sequence[Bar]
    rows: Sequence[Row]
    top: int
    """Requests in a minute at the upper edge."""
    totals: Mapping[str, int]
    failed: int
    text: str
    begins: Micros

    @property
    def width(self) -> int:
        return MINUTES * (BAR + GAP) - GAP

    @property
    def height(self) -> int:
        return HEIGHT


class RequestHistory:
    """A subscriber of the bus that counts requests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[str, deque[_Minute]] = {}

    def __call__(self, event: Event) -> None:
        if not isinstance(event, RequestDone):
            return
        minutes = self._accounts.setdefault(event.account, deque(maxlen=MINUTES))
        now = self._minute()
        if not minutes or minutes[-1].number < now:  # a clock set back counts in the newest minute
            minutes.append(_Minute(now))
        minutes[-1].lanes[event.lane] += 1
        minutes[-1].failed += not event.outcome.startswith(("2", "3"))

    def chart(self, account: str) -> Chart:
        """The chart of an account; empty if it has sent nothing."""
        last = self._minute()
        kept = {each.number: each for each in self._accounts.get(account, ())}
        minutes = [kept.get(number, _Minute(number)) for number in range(last - MINUTES + 1, last + 1)]
        top = _round_up(max(sum(each.lanes.values()) for each in minutes))
        bars = [bar for place, each in enumerate(minutes) for bar in _column(each, place, top)]
        totals = {LANE_NAMES[lane]: sum(each.lanes[lane] for each in minutes) for lane in LANES}
        failed = sum(each.failed for each in minutes)
        begins = minutes[0].number * _MICROS_PER_MINUTE
        return Chart(bars, _rows(minutes), top, totals, failed, _sentence(totals, failed, minutes), begins)

    def _minute(self) -> int:
        return self._clock.now() // _MICROS_PER_MINUTE


def _column(minute: _Minute, place: int, top: int) -> Sequence[Bar]:
    bars, y = [], float(HEIGHT)
    for lane in LANES:
        if count := minute.lanes[lane]:
            height = round(count * HEIGHT / top, 2)
            y -= height
            bars.append(Bar(LANE_NAMES[lane], place * (BAR + GAP), round(y, 2), height))
    return bars


def _rows(minutes: Sequence[_Minute]) -> Sequence[Row]:
    rows = []
    for start in range(0, len(minutes), _ROW_MINUTES):
        some = minutes[start : start + _ROW_MINUTES]
        lanes = {LANE_NAMES[lane]: sum(each.lanes[lane] for each in some) for lane in LANES}
        failed = sum(each.failed for each in some)
        rows.append(Row(some[0].number * _MICROS_PER_MINUTE, lanes, failed, sum(lanes.values())))
    return rows


def _sentence(totals: Mapping[str, int], failed: int, minutes: Sequence[_Minute]) -> str:
    total = sum(totals.values())
    if not total:
        return "No requests in the last hour."
    most = max(sum(each.lanes.values()) for each in minutes)
    lanes = ", ".join(f"{number(count)} {lane}" for lane, count in totals.items() if count)
    without = f"; {number(failed)} without success" if failed else ""
    return f"{counted(total, 'request')} in the last hour: {lanes}{without}. At most {number(most)} in one minute."


def _round_up(most: int) -> int:
    """The end of an axis that holds `most`: 10, 20, 50, 100, 200 and so on."""
    step = 10
    while True:
        for factor in (1, 2, 5):
            if factor * step >= most:
                return factor * step
        step *= 10
