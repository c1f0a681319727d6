"""Recognises, at an account's first request, that something else than the platform answers at its `base_url`.

That is an answer that no platform gives to this request: a web page, a redirect (to a login, for one), or "not found".
"""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.domain.errors import PlatformError, Refused, Transient, WrongAddress
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.responses import NO_SUCH_PATH, REDIRECTS, page_of


def of_error(error: PlatformError, platform: str, advice: str) -> PlatformError:
    """`WrongAddress` where this error of an account's first request says so; other errors are returned unchanged."""
    status = error.status
    not_here = isinstance(error, Refused) and status in NO_SUCH_PATH
    elsewhere = isinstance(error, Transient) and status is not None and status in REDIRECTS
    if not_here or elsewhere:
        return WrongAddress(f"{error}: this is not the API of {platform}. {advice}", status=status)
    return error


@contextmanager
def recognised(platform: str, advice: str) -> Iterator[None]:
    """Raises `of_error` of each error."""
    try:
        yield
    except PlatformError as error:
        if (wrong := of_error(error, platform, advice)) is not error:
            raise wrong from error
        raise


def of_page(answer: Answer, base_url: str, platform: str, advice: str) -> WrongAddress | None:
    """The error of a web page in place of the platform's answer; None where the answer is no page."""
    page = page_of(answer.headers.get("content-type", ""), answer.body)
    if page is None:
        return None
    text = f"{base_url} answers with {page}: this is not the API of {platform}. {advice}"
    return WrongAddress(text, status=answer.status)
