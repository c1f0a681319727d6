"""Renders templates to HTML. Every value is escaped, and characters that do not show are printed as escapes."""

import hashlib
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from orchestrator.domain.messages.printable import printable
from orchestrator.domain.model import BatchState, ItemState, JobState
from orchestrator.web.pages.content import formatting

FOLDER = Path(__file__).parent
STATIC_FILES = MappingProxyType(
    {
        "page.css": "text/css; charset=utf-8",
        "page.js": "text/javascript; charset=utf-8",
        "icon.svg": "image/svg+xml",
    }
)
"""What is served under `/static/` → its content type."""
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Templates:
    """The templates of this folder."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "time": formatting.time,
            "duration": formatting.duration,
            "number": formatting.number,
            "size": formatting.size,
            "raw": _raw,
            "user": formatting.user,
        }
        self._environment.globals |= {
            "asset": asset,
            "share": formatting.share,
            "counted": formatting.counted,
            "label_url": formatting.label_url,
            "JOB_STATES": [state for state in JobState if state is not JobState.LOADING],
            "ITEM_STATES": list(ItemState),
            "BATCH_STATES": list(BatchState),
        }

    def render(self, template: str, /, **values: Any) -> str:  # noqa: ANN401 - as each template needs them
        """The HTML of one page."""
        return self._environment.get_template(template).render(**values)


def static_bytes(name: str) -> bytes:
    """The content of a file in `STATIC_FILES`."""
    return (FOLDER / "static" / name).read_bytes()


@cache
def asset(name: str) -> str:
    """The address of a static file; it changes with its content, so that browsers may cache the file without limit."""
    return f"/static/{name}?v={hashlib.sha256(static_bytes(name)).hexdigest()[:12]}"


def _shown(value: object) -> object:
    if isinstance(value, Markup) or not isinstance(value, str):
        return "" if value is None else value
    return printable(value)


def _raw(text: str) -> Markup:
    """A text as it was typed, for the text field that it came from."""
    return escape(text)
