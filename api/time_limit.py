"""Reading the history for one answer, within a time: who asks for too much is told so, and its reading stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from starlette.concurrency import run_in_threadpool

from api.context import Context
from api.problems import Problem
from storage.history import History

__all__ = ["read_within"]

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


async def read_within(
    context: Context, read: Callable[Concatenate[Context, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """What `read` answers, in a thread, over a history that may be read until the settings' time is over.

    Raises Problem 503 `too_slow` then, at the time itself. The thread ends with the read it is in, and no other question
    takes its turn before.
    """
    limit_s = context.settings.query_timeout_s
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    try:
        await asyncio.wait_for(context.readers.acquire(), limit_s)
    except TimeoutError:
        raise _too_slow(limit_s) from None
    bounded = replace(
        context, history=cast("History", _Bounded(context.history, lambda: loop.time() > deadline, limit_s))
    )
    task = asyncio.create_task(run_in_threadpool(read, bounded, *args, **kwargs), name="api.history")
    task.add_done_callback(lambda done: _ended(context, done))
    finished, _ = await asyncio.wait({task}, timeout=deadline - loop.time())
    if not finished:
        raise _too_slow(limit_s)
    return task.result()


class _Bounded:
    """A history that is read no more once its time is over."""

    def __init__(self, history: History, over: Callable[[], bool], limit_s: float) -> None:
        self._history = history
        self._over = over
        self._limit_s = limit_s

    def __getattr__(self, name: str) -> Any:
        if self._over():
            raise _too_slow(self._limit_s)
        return getattr(self._history, name)


def _ended(context: Context, task: asyncio.Task[Any]) -> None:
    context.readers.release()
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Problem):
        log.debug("reading the history ended with %r", error)  # where nobody waits for it any more


def _too_slow(limit_s: float) -> Problem:
    return Problem(
        503,
        "too_slow",
        f"this takes longer than the {limit_s:g} s that one answer may take",
        hint="ask for a shorter period, a longer step or fewer devices; or later, when less is asked",
        headers={"Retry-After": "30"},
    )
