"""The style of the report, and the content security policy that allows it and nothing else."""

import base64
import hashlib
from functools import cache
from pathlib import Path

POLICY = "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
"""Of the page itself, wherever it is opened."""


@cache
def style() -> str:
    """The style sheet, which stands in the page."""
    return (Path(__file__).parent / "report.css").read_text(encoding="utf-8")


@cache
def digest() -> str:
    """The SHA-256 of the style sheet in base64, as a policy names it."""
    return base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()


def policy() -> str:
    """The policy where a server sends the page: no script, no frame, and no access to what else the server has."""
    return f"sandbox allow-popups; {POLICY.format(digest=digest())}; frame-ancestors 'none'"
