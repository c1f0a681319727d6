"""Renders the report of a job: one page without scripts and without anything from elsewhere, of bounded size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from orchestrator import __version__
from orchestrator.clock import Micros
from orchestrator.domain.messages.printable import printable
from orchestrator.domain.model import ItemState, Job
from orchestrator.engine.report import chart
from orchestrator.engine.report.context import Context
from orchestrator.engine.report.outcome import Listed, Outcome, clipped
from orchestrator.engine.report.policy import POLICY, digest, style
from orchestrator.engine.report.sentences import date, duration, headline, stamp, step
from orchestrator.engine.result_document import when
from orchestrator.store.reading.history import HistoryEvent
from orchestrator.user_names import user_name

MOST_BYTES = 2_000_000
"""Size of a page, at most."""
_BYTES_FOR_LIST = 1_500_000
_ROW_BYTES = 700
"""Of a row of the list, without what it says."""
_REASONS_SHOWN = 25
STEPS_SHOWN = 40
"""Things that operators did which are listed."""
_FOLDER = Path(__file__).parent
_SPACES = {ord(character): " " for character in "\t\n\v\f\r\x85\u2028\u2029"}

SYMBOLS: Mapping[ItemState, str] = MappingProxyType(
    {
        ItemState.PENDING: "·",
        ItemState.SUBMITTED: "↑",
        ItemState.RUNNING: "▸",
        ItemState.ATTENTION: "!",
        ItemState.SUCCEEDED: "✓",
        ItemState.PARTIAL: "~",
        ItemState.FAILED: "\N{MULTIPLICATION SIGN}",
        ItemState.ABORTED: "▪",
        ItemState.CANCELLED: "\N{EN DASH}",
    }
)
"""Beside the colour of a state, for those who do not see colours."""
MEANINGS: Mapping[ItemState, str] = MappingProxyType(
    {
        ItemState.PENDING: "not submitted yet",
        ItemState.SUBMITTED: "accepted by the platform, not started",
        ItemState.RUNNING: "in progress on the platform",
        ItemState.ATTENTION: "the platform waits for input from a user",
        ItemState.SUCCEEDED: "the platform reports success",
        ItemState.PARTIAL: "the platform reports that only a part was done",
        ItemState.FAILED: "the platform reports a failure or refused the item, or an operator gave it up",
        ItemState.ABORTED: "stopped on the platform before its end",
        ItemState.CANCELLED: "never submitted, as the job was cancelled",
    }
)


@dataclass(frozen=True, slots=True)
class Share:
    """The items in one state, as a part of a bar of 1000 units."""

    state: ItemState
    items: int
    start: float
    width: float


def render(
    job: Job, outcome: Outcome, context: Context, *, batches: int, now: Micros, steps: Sequence[HistoryEvent] = ()
) -> bytes:
    """The page as UTF-8, at most `MOST_BYTES` of it. Blocks for some milliseconds: call it in a thread.

    `steps`: what operators did, the oldest first; those beyond `STEPS_SHOWN` are mentioned.
    """
    total = sum(job.counts.values())
    rows = _that_fit(outcome.listed)
    reasons = outcome.reasons
    page = _template().render(
        job=job,
        spec=job.spec,
        context=context,
        detail=clipped(job.detail) if job.detail else None,
        headline=headline(job),
        total=total,
        ended=sum(items for state, items in job.counts.items() if state.final),
        shares=_shares(job.counts, total),
        user=_user(job.spec.dropped_by),
        steps=[(each.at, step(each), _user(each.actor)) for each in steps[:STEPS_SHOWN]],
        has_more_steps=len(steps) > STEPS_SHOWN,
        batches=batches,
        until=job.settled_at or now,
        reasons=reasons[:_REASONS_SHOWN],
        more_reasons=reasons[_REASONS_SHOWN:],
        chart=chart.draw(outcome.timeline, total),
        rows=rows,
        outcome=outcome,
        gone=total > 0 and outcome.read == 0,
        now=now,
    )
    return page.encode()


def _shares(counts: Mapping[ItemState, int], total: int) -> Sequence[Share]:
    shares, start = [], 0.0
    for state in (*(each for each in ItemState if each.final), *(each for each in ItemState if not each.final)):
        if items := counts.get(state, 0):
            width = 1000 * items / total
            shares.append(Share(state, items, start, width))
            start += width
    return shares


def _user(number: str | None) -> str | None:
    """The user who caused something, by name if this system knows it."""
    if not number:
        return None
    if not number.isdecimal():
        return number  # an operator of the pages: name, credential and address
    name = user_name(number)
    return f"{name} (user id {number})" if name is not None else f"user id {number}"


def _that_fit(listed: Sequence[Listed]) -> Sequence[Listed]:
    """As many of the first rows as keep the page within its size, however much of their text must be escaped."""
    size = 0
    for number, row in enumerate(listed):
        texts = (row.key, row.parent, row.status, row.reason, row.remote_id, row.link)
        size += _ROW_BYTES + sum(len(escape(_shown(text)).encode()) for text in texts if text)
        if size > _BYTES_FOR_LIST:
            return listed[:number]
    return listed


# ---------------------------------------------------------------- the template


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "style": Markup(style()),  # noqa: S704 - ours, and the policy below names its digest
        "policy": POLICY.format(digest=digest()),
        "symbols": SYMBOLS,
        "meanings": MEANINGS,
        "version": __version__,
        "width": chart.WIDTH,
        "height": chart.HEIGHT,
    }
    environment.filters |= {"stamp": stamp, "date": date, "iso": when, "duration": duration, "number": "{:,}".format}
    return environment.get_template("report.html")


def _shown(value: Any) -> Any:  # noqa: ANN401 - any value of a template
    """Foreign text as one line, with escapes for characters that do not show or that reverse what follows."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value.translate(_SPACES))
    return value
