"""Waits for news or for time to pass, whichever comes first, on the service's clock."""

from __future__ import annotations

import asyncio

from runtime.clock import Clock

__all__ = ["wait_for_news"]


async def wait_for_news(news: asyncio.Event, clock: Clock, seconds: float | None) -> None:
    """Returns when `news` is set or after `seconds` (None: never). Clearing `news` is the caller's, before it looks."""
    if seconds is None:
        await news.wait()
        return
    timer = asyncio.ensure_future(clock.sleep(max(0.0, seconds)))
    waiter = asyncio.ensure_future(news.wait())
    try:
        await asyncio.wait({timer, waiter}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        waiter.cancel()
