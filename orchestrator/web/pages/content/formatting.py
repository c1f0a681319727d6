"""Numbers, times and durations as pages show them."""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from markupsafe import Markup

from orchestrator.clock import Micros
from orchestrator.domain.messages.counting import plural
from orchestrator.domain.units import rfc3339
from orchestrator.intake.control_reports import user_of

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_KIB = 1024
_LABEL = re.compile(r'([^\s="]+)=(?:"((?:[^"]|"")*)"(?!\S)|(\S*))')


def number(value: float | None) -> str:
    """`12,345`; nothing for None."""
    return "" if value is None else f"{value:,}"


def counted(count: int, noun: str) -> str:
    """`1 item`, `1,200 items`, `2 batches`."""
    return f"{count:,} {plural(count, noun)}"


def time(micros: Micros | None) -> Markup:
    """A time in UTC, which the script of the page turns into `5 min ago` and the reader's own time zone."""
    if micros is None:
        return Markup("")
    exact = rfc3339(micros)
    return Markup(f'<time datetime="{exact}">{exact[:10]} {exact[11:16]} UTC</time>')  # noqa: S704 - digits of a time


def duration(seconds: float | None) -> str:
    """`42 s`, `5 min`, `3 h 20 min`, `2 d 4 h`; nothing for None."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        minutes = whole % _HOUR // _MINUTE
        return f"{whole // _HOUR} h" + (f" {minutes} min" if minutes else "")
    hours = whole % _DAY // _HOUR
    return f"{whole // _DAY} d" + (f" {hours} h" if hours else "")


def size(count: int) -> str:
    """`512 B`, `1.5 KiB`, `256 MiB`."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < _KIB or unit == "GiB":
            break
        value /= _KIB
    return f"{count} B" if unit == "B" else f"{value:.1f}".removesuffix(".0") + f" {unit}"


def share(part: float, whole: float) -> str:
    """A percentage for the eye: 100% and 0% only where that is exact."""
    if whole <= 0:
        return "0%"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "<1%"
    return ">99%" if 99 < percent < 100 else f"{percent:.0f}%"  # noqa: PLR2004 - of a hundred


def user(actor: str) -> str:
    """Who did something: of a numeric user id, the name that this system knows it by."""
    return user_of(actor)


def label_url(name: str, value: str) -> str:
    """The address of the list of jobs that have this label."""
    escaped = value.replace('"', '""')
    quoted = f'"{escaped}"' if re.search(r'[\s"]', value) else value
    return f"/?{urlencode({'q': f'{name}={quoted}'})}"


def split_search(text: str) -> tuple[str, Mapping[str, str]]:
    """What is searched for in `text`, and the labels among it: `cohort run=0172 lab="north wing"`.

    In a value in quotes, two quotes stand for one.
    """
    labels = {name: quoted.replace('""', '"') or plain for name, quoted, plain in _LABEL.findall(text)}
    return " ".join(_LABEL.sub(" ", text).split()), labels
