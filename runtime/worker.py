"""A thread of one's own for blocking work that takes much memory.

Allocators keep what was freed for the thread that freed it. Work that wanders over the threads of `asyncio.to_thread` leaves
its largest amount behind in each of them, one after the other, and the process grows for hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["Worker"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Worker:
    """One thread, begun at the first call; `name` is what a debugger shows. One call after the other."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(
        self, function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """What `function` returns or raises. When this is cancelled the call goes on to its end."""
        call = partial(function, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
