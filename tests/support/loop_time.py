"""The event loop's own clock, moved by hand: a time-out passes when a test says so, however slow the machine is."""

import asyncio


def pass_seconds(seconds: float) -> None:
    """Move the running loop's clock forward; what is due by then is due now."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign] # of this one loop, which ends with its test
