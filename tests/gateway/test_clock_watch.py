"""A clock that is not set yet, one that nobody sets, and readings that keep their time."""

from __future__ import annotations

import pytest

from gateway.clock_watch import EARLIEST_MS, ClockWatch, kernel_synchronised
from messaging.codec import Reading
from runtime.clock import ManualClock

BOOT_MS = 5_000  # five seconds after 1970


class WakingClock(ManualClock):
    """Starts in 1970; `set_to` is NTP."""

    def __init__(self):
        super().__init__(now_ms=BOOT_MS)
        self.offset_ms = 0

    def now_ms(self):
        return super().now_ms() + self.offset_ms

    def set_to(self, now_ms):
        self.offset_ms += now_ms - self.now_ms()


def reading(clock, power_w):
    return Reading("s/pv", clock.now_ms(), {"power_w": power_w})


async def test_readings_before_the_clock_is_set_wait_and_get_the_time_they_were_taken():
    clock = WakingClock()
    watch = ClockWatch(clock, lambda: False)
    for number in range(3):
        assert watch.dated(reading(clock, number)) == []
        await clock.advance(10)
    assert watch.waiting == 3
    clock.set_to(1_790_000_000_000)
    await clock.advance(2)
    dated = watch.dated(reading(clock, 3))
    assert [(one.v["power_w"], one.t) for one in dated] == [
        (0, 1_790_000_000_000 - 30_000),
        (1, 1_790_000_000_000 - 20_000),
        (2, 1_790_000_000_000 - 10_000),
        (3, 1_790_000_002_000),
    ]
    assert watch.waiting == 0
    assert [one.v["power_w"] for one in watch.dated(reading(clock, 4))] == [4]


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000, 86_400_000, 1000])
def test_clock_that_steps_later_changes_no_reading(step_ms):
    clock = WakingClock()
    clock.set_to(1_790_000_000_000)
    watch = ClockWatch(clock, lambda: True)
    before = reading(clock, 1)
    assert watch.dated(before) == [before]
    clock.set_to(1_790_000_000_000 + step_ms)
    after = reading(clock, 2)
    assert watch.dated(after) == [after]


def test_first_moment_that_is_believed_is_the_earliest():
    clock = WakingClock()
    watch = ClockWatch(clock, lambda: None)
    clock.set_to(EARLIEST_MS - 1)
    assert watch.dated(reading(clock, 1)) == []
    clock.set_to(EARLIEST_MS)
    assert len(watch.dated(reading(clock, 2))) == 2


@pytest.mark.parametrize(("told", "expected"), [(True, False), (False, True), (None, False)])
def test_unsynchronised_only_when_it_is_known(told, expected):
    assert ClockWatch(ManualClock(), lambda: told).unsynchronised is expected


def test_kernel_can_be_asked_on_this_machine():
    assert kernel_synchronised() in {True, False, None}


def test_readings_that_wait_are_bounded():
    clock = WakingClock()
    watch = ClockWatch(clock, lambda: False)
    for number in range(10_050):
        watch.dated(reading(clock, number))
    assert watch.waiting == 10_000
