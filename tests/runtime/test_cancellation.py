"""A cancellation that a library loses is raised all the same."""

from __future__ import annotations

import asyncio

import pytest

from runtime.cancellation import cancellation_kept


async def _swallow(future):
    try:
        return await future
    except asyncio.CancelledError:
        return None


async def test_cancellation_swallowed_within_the_block_is_raised_at_its_end():
    went_on = []

    async def work():
        with cancellation_kept():
            await _swallow(asyncio.get_running_loop().create_future())
        went_on.append(True)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not went_on


async def test_last_act_of_a_cancelled_task_is_not_disturbed():
    done = []

    async def work():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            with cancellation_kept():
                await asyncio.sleep(0)
            done.append(True)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]


async def test_other_error_after_a_swallowed_cancellation_does_not_hide_it():
    async def work():
        with cancellation_kept():
            await _swallow(asyncio.get_running_loop().create_future())
            raise ValueError

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
