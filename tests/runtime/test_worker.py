"""A worker's thread: always the same one, and nothing that is asked of it is lost."""

from __future__ import annotations

import asyncio
import threading

import pytest

from runtime.worker import Worker


async def _threads(worker: Worker) -> set[int]:
    return {await worker.run(threading.get_ident) for _ in range(20)}


def test_worker_calls_in_one_thread_that_is_not_the_callers() -> None:
    [used] = asyncio.run(_threads(Worker("test")))
    assert used != threading.get_ident()


def test_worker_two_workers_have_threads_of_their_own() -> None:
    async def both() -> list[set[int]]:
        return [await _threads(worker) for worker in (Worker("one"), Worker("other"))]

    one, other = asyncio.run(both())
    assert one.isdisjoint(other)


def test_worker_passes_arguments_result_and_error_through() -> None:
    worker = Worker("test")
    assert asyncio.run(worker.run(int, "ff", base=16)) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(worker.run(int, "no number"))


def test_worker_cancelled_call_ends_before_the_next_begins() -> None:
    begun, go_on, told = threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        go_on.wait()
        told.append("slow")

    async def cancelled() -> None:
        worker = Worker("test")
        task = asyncio.create_task(worker.run(slow))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        following = asyncio.create_task(worker.run(told.append, "next"))
        await asyncio.sleep(0)
        go_on.set()
        await following

    asyncio.run(cancelled())
    assert told == ["slow", "next"]
