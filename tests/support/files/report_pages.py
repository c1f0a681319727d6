"""The page of a report, and its reader."""

import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

from documents import START, item, job

from orchestrator.domain.model import Item, ItemState
from orchestrator.domain.units import HOUR
from orchestrator.engine.report.context import Context
from orchestrator.engine.report.outcome import Outcome
from orchestrator.engine.report.page import render
from orchestrator.store.reading.history import HistoryEvent

VOID = {"meta", "br", "link", "img", "input", "base", "hr"}
"""Elements without an end tag."""


class Read(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " if tag in ("td", "th") else ""

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def page_of(
    items: Sequence[Item], *, context: Context | None = None, steps: Sequence[HistoryEvent] = (), **fields: Any
) -> str:
    """The page of a job that ended with these items, as text."""
    counts = Counter(each.state for each in items if not each.found)
    ended = job(**({"counts": counts, "settled_at": START + 2 * HOUR} | fields))
    context = context or Context()
    found = Outcome(ended, START + 3 * HOUR, context.link)
    for at in range(0, len(items), 1000):
        found.add(items[at : at + 1000])
    return render(ended, found, context, batches=2, now=START + 3 * HOUR, steps=steps).decode()


def failed(seq: int = 1, **fields: Any) -> Item:
    """An item that failed."""
    return item(seq, **({"state": ItemState.FAILED, "status": "FAILED", "detail": "out of memory"} | fields))
