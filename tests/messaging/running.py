"""Clients of a broker, running while a test does."""

import asyncio
import contextlib


@contextlib.asynccontextmanager
async def running(*connections):
    tasks = [asyncio.create_task(connection.run()) for connection in connections]
    try:
        for connection in connections:
            await asyncio.wait_for(connection.connected.wait(), 10)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
