"""Operators in front of the pages."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from operator_browser import OperatorBrowser


@pytest.fixture
def operator(house) -> Callable[..., AbstractAsyncContextManager[OperatorBrowser]]:
    """Opens the house with a token, and yields the browser of an operator who has logged in."""

    @asynccontextmanager
    async def opened(*, logged_in: bool = True, **more: bool) -> AsyncIterator[OperatorBrowser]:
        async with house.open(token_file="secrets/token", **more):
            browser = OperatorBrowser(house.client)
            if logged_in:
                await browser.log_in(house.token)
            yield browser

    return opened
