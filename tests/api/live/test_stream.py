"""Event numbers, resuming, and readers who do not keep up."""

from __future__ import annotations

import asyncio
import re

from hypothesis import given
from hypothesis import strategies as st

from api.live.stream import RING, Events


def numbers(frames: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"^id: (\d+)$", frames, re.MULTILINE)]


def test_events_are_numbered_without_a_hole_from_above_the_first():
    events = Events(first=1000)
    reader = events.subscribe(None)
    for _ in range(3):
        events.publish("site", b"{}", "ixelles")
    assert reader.take() == b"".join(b"event: site\nid: %d\ndata: {}\n\n" % n for n in (1001, 1002, 1003))


def test_resume_gives_exactly_what_was_missed():
    events = Events(first=0)
    for _ in range(10):
        events.publish("site", b"{}", "ixelles")
    assert numbers(events.since(7, None) or b"") == [8, 9, 10]
    assert events.since(10, None) == b""
    assert numbers(events.since(0, None) or b"") == list(range(1, 11))


def test_resume_from_another_life_or_from_too_long_ago_is_not_possible():
    events = Events(first=1000)
    assert events.since(999, None) is None
    assert events.since(1001, None) is None
    for _ in range(RING + 5):
        events.publish("site", b"{}")
    assert events.since(1004, None) is None
    assert len(numbers(events.since(1005, None) or b"")) == RING


def test_slow_reader_owes_a_bounded_number_of_events_then_the_whole_state():
    events = Events(first=0)
    slow = events.subscribe(None)
    for _ in range(RING):
        events.publish("site", b"{}")
    assert numbers(slow.take() or b"") == list(range(1, RING + 1))
    for _ in range(RING + 1):
        events.publish("site", b"{}")
    assert slow.take() is None
    events.publish("site", b"{}")
    assert numbers(slow.take() or b"") == [events.last]


async def test_events_of_one_picture_wake_a_reader_once_with_all_of_them():
    events = Events(first=0)
    reader = events.subscribe(frozenset({"ixelles"}))
    woken = asyncio.create_task(reader.wait())
    await asyncio.sleep(0)
    for _ in range(3):
        events.publish("site", b"{}", "ixelles")
        events.publish("site", b"{}", "schaerbeek")
    await woken
    assert numbers(reader.take() or b"") == [1, 3, 5]
    assert reader.take() == b""


async def test_closed_stream_wakes_its_readers_for_good():
    events = Events(first=0)
    reader = events.subscribe(None)
    woken = asyncio.create_task(reader.wait())
    await asyncio.sleep(0)
    events.close()
    await woken
    await reader.wait()
    assert reader.closed


@given(st.lists(st.sampled_from(["ixelles", "schaerbeek", None])), st.integers(0, 20))
def test_reader_who_comes_back_has_seen_the_same_as_one_who_stayed(communities: list[str | None], left_after: int):
    events = Events(first=0)
    scope = frozenset({"ixelles"})
    stayed, gone = events.subscribe(scope), events.subscribe(scope)
    for community in communities[:left_after]:
        events.publish("site", b"{}", community)
    before = gone.take() or b""
    events.unsubscribe(gone)
    last_seen = numbers(before)[-1] if numbers(before) else 0
    for community in communities[left_after:]:
        events.publish("site", b"{}", community)
    assert before + (events.since(last_seen, scope) or b"") == stayed.take()
