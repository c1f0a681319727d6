"""Recognises that what answers is not ICA's API, and says what `base_url` should be."""

from typing import Final
from urllib.parse import urlsplit

from orchestrator.domain.errors import PlatformError, Refused, Transient, WrongAddress
from orchestrator.platforms.answers import page_of
from orchestrator.platforms.calls import Answer

KNOWN: Final = "https://ica.illumina.com/ica/rest"
_NOT_HERE: Final = frozenset({404, 405, 410})
_REDIRECTS: Final = range(300, 400)


def of_error(error: PlatformError, base_url: str) -> PlatformError:
    """The error of a request for a token as what it means: ICA has that address, and never redirects it."""
    status = error.status
    not_here = isinstance(error, Refused) and status in _NOT_HERE
    if not_here or (isinstance(error, Transient) and status is not None and status in _REDIRECTS):
        return WrongAddress(f"{error}: this is not the API of ICA. {advice(base_url)}", status=status)
    return error


def of_page(answer: Answer, base_url: str) -> WrongAddress | None:
    """What a web page in the place of a token means; None where the answer is no page."""
    page = page_of(answer.headers.get("content-type", ""), answer.body)
    if page is None:
        return None
    return WrongAddress(
        f"{base_url} answered a request for a token with {page}: this is not the API of ICA. {advice(base_url)}",
        status=answer.status,
    )


def advice(base_url: str) -> str:
    """What `base_url` should be, as far as it can be told."""
    parts = urlsplit(base_url)
    before, api, _ = f"{parts.path}/".partition("/api/")
    if parts.hostname == urlsplit(KNOWN).hostname:
        better = KNOWN
    elif api:
        better = f"{parts.scheme}://{parts.netloc}{before}"
    elif not parts.path.rstrip("/").endswith("/ica/rest"):
        better = f"{parts.scheme}://{parts.netloc}/ica/rest"
    else:
        return f"See that base_url is the address under which /api/tokens lies, such as {KNOWN}"
    if better == base_url.rstrip("/"):
        return "The address is right: see whether a proxy or a login page on the way answers in its place"
    return f"base_url should be {better}: change the configuration and restart the daemon"
