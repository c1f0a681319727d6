"""Detects a `base_url` that is not ICA's API, and suggests the right one."""

from typing import Final
from urllib.parse import urlsplit

from orchestrator.domain.errors import PlatformError, Refused, Transient, WrongAddress
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.responses import page_of

KNOWN: Final = "https://ica.illumina.com/ica/rest"
_NOT_HERE: Final = frozenset({404, 405, 410})
_REDIRECTS: Final = range(300, 400)


def of_error(error: PlatformError, base_url: str) -> PlatformError:
    """Turn "not found" or a redirect of a token request into `WrongAddress`; other errors are returned unchanged."""
    status = error.status
    not_here = isinstance(error, Refused) and status in _NOT_HERE
    if not_here or (isinstance(error, Transient) and status is not None and status in _REDIRECTS):
        return WrongAddress(f"{error}: this is not the API of ICA. {advice(base_url)}", status=status)
    return error


def of_page(answer: Answer, base_url: str) -> WrongAddress | None:
    """The error of a web page in response to a token request; None when the response is no page."""
    page = page_of(answer.headers.get("content-type", ""), answer.body)
    if page is None:
        return None
    return WrongAddress(
        f"{base_url} answered a request for a token with {page}: this is not the API of ICA. {advice(base_url)}",
        status=answer.status,
    )


def advice(base_url: str) -> str:
    """What `base_url` should be, for an error message."""
    parts = urlsplit(base_url)
    before, api, _ = f"{parts.path}/".partition("/api/")
    if parts.hostname == urlsplit(KNOWN).hostname:
        better = KNOWN
    elif api:
        better = f"{parts.scheme}://{parts.netloc}{before}"
    elif not parts.path.rstrip("/").endswith("/ica/rest"):
        better = f"{parts.scheme}://{parts.netloc}/ica/rest"
    else:
        return f"Set base_url to the URL below which /api/tokens exists, such as {KNOWN}"
    if better == base_url.rstrip("/"):
        return "The URL is right: check whether a proxy or a login page answers in its place"
    return f"base_url should be {better}: change the configuration and restart the daemon"
