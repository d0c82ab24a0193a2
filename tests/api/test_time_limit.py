"""A question that would take too long is told so at its time, and reads no more after it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from api.context import Context
from api.problems import Problem
from api.settings import ApiSettings
from api.time_limit import read_within
from tests.api.conftest import Api

LIMIT_S = 0.05


@pytest.fixture
def settings(settings: ApiSettings) -> ApiSettings:
    return settings.model_copy(update={"query_timeout_s": LIMIT_S})


@pytest.fixture
def context(api: Api) -> Context:
    found: Context = api.app.state.context
    return found


class SlowStore:
    """A store whose reads wait until they are let go; counts them."""

    def __init__(self) -> None:
        self.reads = 0
        self.go = threading.Event()

    def site_quarters(self, *_: Any) -> list[Any]:
        self.reads += 1
        assert self.go.wait(30)
        return []


def read_twice(context: Context, store: SlowStore) -> None:
    bounded: Any = context.history
    bounded._history = store
    bounded.site_quarters()
    bounded.site_quarters()


async def free(context: Context, slots: int) -> None:
    """Waits until so many questions may be asked at once."""
    while context.readers._value < slots:
        await asyncio.sleep(0.001)


async def test_question_that_takes_too_long_is_told_so_and_reads_no_more(context: Context):
    store, slots = SlowStore(), context.readers._value
    with pytest.raises(Problem) as refused:
        await read_within(context, read_twice, store)
    assert (refused.value.status, refused.value.code) == (503, "too_slow")
    assert context.readers._value == slots - 1  # its thread is still in a read
    store.go.set()
    await free(context, slots)
    assert store.reads == 1


async def test_question_waits_for_those_whose_threads_still_read(context: Context):
    store, slots = SlowStore(), context.readers._value
    slow = [read_within(context, read_twice, store) for _ in range(slots)]
    assert {type(told) for told in await asyncio.gather(*slow, return_exceptions=True)} == {Problem}
    with pytest.raises(Problem, match="takes longer"):
        await read_within(context, lambda _: 1)
    store.go.set()
    await free(context, slots)
    assert store.reads == slots
    assert await read_within(context, lambda _: 1) == 1


async def test_error_of_a_question_is_its_own(context: Context):
    def fails(_: Context) -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        await read_within(context, fails)


async def test_route_tells_what_to_do_instead(api: Api, context: Context):
    store, ready = SlowStore(), context.readers._value
    fills = [asyncio.create_task(read_within(context, read_twice, store)) for _ in range(ready)]
    await asyncio.gather(*fills, return_exceptions=True)
    for path in ("sites/ixl-hall/history", "communities/ixelles/history", "communities/ixelles/sharing"):
        answer = await api.get(f"/api/v1/{path}")
        told = answer.json()
        assert (answer.status_code, told["code"], answer.headers["retry-after"]) == (503, "too_slow", "30")
        assert "shorter period" in told["hint"]
    store.go.set()
    await free(context, ready)
