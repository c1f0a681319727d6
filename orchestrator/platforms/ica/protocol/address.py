"""Detects a `base_url` that is not ICA's API, and suggests the right one."""

from typing import Final
from urllib.parse import urlsplit

from orchestrator.domain.errors import PlatformError, WrongAddress
from orchestrator.platforms.http import wrong_address
from orchestrator.platforms.http.calls import Answer

KNOWN: Final = "https://ica.illumina.com/ica/rest"
_PLATFORM: Final = "ICA"


def of_error(error: PlatformError, base_url: str) -> PlatformError:
    """Turn an error of a token request into `WrongAddress` where it says so; others are returned unchanged."""
    return wrong_address.of_error(error, _PLATFORM, advice(base_url))


def of_page(answer: Answer, base_url: str) -> WrongAddress | None:
    """The error of a web page in response to a token request; None when the response is no page."""
    return wrong_address.of_page(answer, base_url, _PLATFORM, advice(base_url))


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
