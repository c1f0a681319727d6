"""The event loop's own clock, moved by hand: a time-out passes when a test says so, however slow the machine is."""

import asyncio


def pass_seconds(seconds: float) -> None:
    """Move the running loop's clock forward; what is due by then is due now."""
    loop = asyncio.get_running_loop()
    before = loop.time
    setattr(loop, "time", lambda: before() + seconds)  # noqa: B010 - a method of this one loop
