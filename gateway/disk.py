"""One thread for everything that waits for the disk.

asyncio's own pool has several, and each of them gets a heap of its own from the C library: over weeks that is memory
that comes and does not go. What waits here is serialised by SQLite's lock anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

__all__ = ["on_disk"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_thread: Final = ThreadPoolExecutor(1, thread_name_prefix="disk")


async def on_disk(
    function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **options: _Arguments.kwargs
) -> _Result:
    """`function`'s result, computed while the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_thread, partial(function, *arguments, **options))
