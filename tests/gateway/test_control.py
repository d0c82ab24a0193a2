"""Leases executed on devices behind a real Modbus server, time moved by hand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest

from gateway.control import DeviceControl
from gateway.leases import Permit
from gateway.modbus import Bus
from gateway.polling import FieldDevice
from gateway.profile import Library
from messaging.codec import Command
from runtime.clock import ManualClock

LIBRARY = Library()
BATTERY = 40_002 + 2 + 65 + 155 + 9  # address of model 704 behind 1 (65), 701 (153) and 713 (7)
W_SET_ENA, W_SET, RVRT_TMS = BATTERY + 22, BATTERY + 24, BATTERY + 31


class Rig:
    """One device, its control, and what the control told."""

    def __init__(self, server, unit, profile, permits, **options):
        self.unit = unit
        self.clock = ManualClock()
        self.results = []
        self.bus = Bus(server.address, timeout_s=0.2)
        device = FieldDevice("site/device", 1, LIBRARY.get(profile), 10.0)
        self.control = DeviceControl(device, self.bus, permits, self.clock, self.results.append, **options)
        self.task = asyncio.create_task(self.control.run())

    def ask(self, command_id="1", ttl_s=60.0, **quantities):
        self.control.submit(
            Command(command_id, "site/device", quantities, ttl_s, "test", "because", self.clock.now_ms())
        )

    async def advance(self, seconds, step_s=1.0):
        """Lets time pass in small steps, with real time for the answers between them."""
        passed = 0.0
        while passed < seconds:
            passed += step_s
            await self.clock.advance(step_s)
            await asyncio.sleep(0.01)

    @property
    def told(self):
        return [(result.id, result.state) for result in self.results]

    def s32(self, address):
        high, low = self.unit.words("holding", address, 2)
        return (high << 16 | low) - (1 << 32 if high & 0x8000 else 0)

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.bus.close()


@pytest.fixture
async def rig(serve):
    """Makes a rig: `await rig(unit, profile, permits)`; cancelled at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(unit, profile, permits, **options) -> Rig:
            made = Rig(await serve({1: unit}), unit, profile, permits, **options)
            stack.push_async_callback(made.close)
            return made

        yield make


POWER = {"power_w": Permit("W", -5000.0, 5000.0)}


@pytest.fixture
async def battery(rig, devices, until):
    made = await rig(devices.storage(), "sunspec-storage-704", POWER)
    await until(lambda: made.control.safe)
    made.unit.writes.clear()
    return made


async def test_start_writes_the_safe_state_once(rig, devices, until):
    unit = devices.storage()
    unit.put("holding", W_SET_ENA, [1])  # a setpoint from before the restart
    made = await rig(unit, "sunspec-storage-704", POWER)
    await until(lambda: made.control.safe)
    await made.advance(5)
    assert unit.writes == [("holding", W_SET_ENA, [0])]
    assert made.results == []


async def test_lease_is_written_timer_first_read_back_and_told(battery, until):
    battery.ask(power_w=-3000)
    await until(lambda: battery.results)
    assert battery.told == [("1", "applied")]
    assert "power_w = -3000 for 60 s" in battery.results[0].reason
    assert [address for _, address, _ in battery.unit.writes] == [RVRT_TMS, BATTERY + 23, W_SET, W_SET_ENA]
    assert battery.s32(W_SET) == -3000
    assert battery.s32(RVRT_TMS) == 60


async def test_lease_over_goes_to_the_safe_state_and_is_expired(battery, until):
    battery.ask(power_w=-3000, ttl_s=30.0)
    await until(lambda: battery.results)
    await battery.advance(29)
    assert battery.unit.words("holding", W_SET_ENA, 1) == [1]
    await battery.advance(2)
    await until(lambda: len(battery.results) == 2)
    assert battery.told[-1] == ("1", "expired")
    assert "safe state confirmed" in battery.results[-1].reason
    assert battery.unit.words("holding", W_SET_ENA, 1) == [0]


@pytest.mark.parametrize("hours", [-1, 1, -24, 24])
async def test_lease_lasts_its_time_whatever_the_wall_clock_does(battery, until, hours):
    battery.ask(power_w=1000, ttl_s=30.0)
    await until(lambda: battery.results)
    battery.clock.step_wall(hours * 3600)
    await battery.advance(28)
    assert battery.unit.words("holding", W_SET_ENA, 1) == [1]
    await battery.advance(3)
    await until(lambda: battery.told[-1] == ("1", "expired"))


async def test_lease_is_renewed_within_half_the_watchdog_which_never_outlasts_it(battery, until):
    battery.ask(power_w=-3000, ttl_s=150.0)
    await until(lambda: battery.results)
    written, timers = [], []

    def note(_, address, words):
        if address == RVRT_TMS:
            written.append(battery.clock.monotonic())
            timers.append((words[1], 150 - battery.clock.monotonic()))

    began = battery.clock.monotonic()
    battery.unit.on_write = note
    await battery.advance(148)
    instants = [began, *written]
    assert max(b - a for a, b in itertools.pairwise(instants)) <= 30
    assert all(timer <= left + 2 for timer, left in timers)  # the device reverts by itself when the lease ends
    assert len(written) < 20
    assert battery.told == [("1", "applied")]


async def test_newer_lease_replaces_the_older(battery, until):
    battery.ask("1", power_w=-3000)
    battery.ask("2", power_w=2000)
    await until(lambda: len(battery.results) == 3)
    assert battery.told == [("1", "applied"), ("1", "reverted"), ("2", "applied")]
    assert battery.results[1].reason == "replaced by 2"
    assert battery.s32(W_SET) == 2000
    await battery.advance(62)
    await until(lambda: battery.told[-1] == ("2", "expired"))
    assert battery.told.count(("1", "expired")) == 0


async def test_release_ends_the_lease_at_once(battery, until):
    battery.ask("1", power_w=-3000)
    await until(lambda: battery.results)
    battery.ask("2", ttl_s=0)
    await until(lambda: len(battery.results) == 3)
    assert battery.told[1:] == [("1", "reverted"), ("2", "applied")]
    assert battery.unit.words("holding", W_SET_ENA, 1) == [0]


async def test_cancel_goes_to_the_safe_state(battery, until):
    battery.ask(power_w=-3000)
    await until(lambda: battery.results)
    await battery.close()
    assert battery.unit.words("holding", W_SET_ENA, 1) == [0]
    assert battery.told[-1] == ("1", "reverted")
    assert battery.results[-1].reason == "the gateway stops; safe state confirmed"


async def test_cancel_in_the_middle_of_writing_goes_to_the_safe_state(battery, until):
    battery.unit.delay_s = 0.05
    battery.ask(power_w=-3000)
    await until(lambda: any(address == RVRT_TMS for _, address, _ in battery.unit.writes))
    await battery.close()
    await until(lambda: battery.unit.writes[-1] == ("holding", W_SET_ENA, [0]))
    assert battery.told[-1][1] == "failed"


async def test_stalled_loop_ends_the_lease(battery, until):
    battery.ask(power_w=-3000)
    await until(lambda: battery.results)
    battery.control.stalled(12.0)
    await until(lambda: len(battery.results) == 2)
    assert battery.told[-1] == ("1", "reverted")
    assert "stood still" in battery.results[-1].reason
    assert battery.unit.words("holding", W_SET_ENA, 1) == [0]


async def test_device_that_does_not_obey_is_failed_and_made_safe(battery, until):
    def ignore(_, address, words):
        if address == W_SET:
            battery.unit.put("holding", W_SET, [0, 0])

    battery.unit.on_write = ignore
    battery.ask(power_w=-3000)
    await until(lambda: battery.results, 6)
    assert battery.told == [("1", "failed")]
    assert "reads back 0, not -3000" in battery.results[0].reason
    await until(lambda: battery.control.safe)
    assert battery.unit.writes[-1] == ("holding", W_SET_ENA, [0])


async def test_silent_device_is_made_safe_as_soon_as_it_answers(battery, until):
    battery.ask(power_w=-3000, ttl_s=20.0)
    await until(lambda: battery.results)
    battery.unit.silent = True
    for _ in range(25):
        await battery.clock.advance(1)
        await asyncio.sleep(0.05)
    await until(lambda: len(battery.results) == 2)
    assert battery.told[-1] == ("1", "expired")
    assert "tried again" in battery.results[-1].reason
    assert not battery.control.safe
    battery.unit.silent = False
    for _ in range(100):
        await battery.clock.advance(1)
        await asyncio.sleep(0.01)
        if battery.control.safe:
            break
    assert battery.unit.words("holding", W_SET_ENA, 1) == [0]


async def test_lease_that_cannot_be_renewed_fails_when_the_watchdog_is_over(battery, until):
    battery.ask(power_w=-3000, ttl_s=200.0)
    await until(lambda: battery.results)
    battery.unit.silent = True
    for _ in range(90):
        await battery.clock.advance(1)
        await asyncio.sleep(0.02)
        if len(battery.results) == 2:
            break
    assert battery.told[-1] == ("1", "failed")
    assert "could not be renewed" in battery.results[-1].reason


async def test_device_without_the_control_model_is_failed_in_plain_words(rig, devices):
    unit = devices.sunspec([(701, devices.body(153, {})), (713, devices.body(7, {}))])
    made = await rig(unit, "sunspec-storage-704", POWER)
    await asyncio.sleep(0.1)
    made.ask(power_w=1)
    async with asyncio.timeout(5):
        while not made.results:
            await asyncio.sleep(0.01)
    assert made.results[0].state == "failed"
    assert "it has no WS" in made.results[0].reason


async def test_safe_state_of_the_site_replaces_the_profiles(rig, devices, until):
    made = await rig(devices.storage(), "sunspec-storage-704", POWER, safe_values={"power_w": 500})
    await until(lambda: made.control.safe)
    assert made.s32(W_SET) == 500
    assert made.s32(RVRT_TMS) == 0  # for ever: no lease holds it
    assert made.unit.words("holding", W_SET_ENA, 1) == [1]


async def test_inverter_limit_is_a_percentage_of_the_nameplate(rig, devices, until):
    made = await rig(devices.inverter(), "sunspec-inverter-103", {"power_w": Permit("W", 0.0, 20_000.0)})
    await until(lambda: made.control.safe)
    controls = 40_002 + 2 + 65 + 52 + 28
    made.ask(power_w=5000)
    await until(lambda: made.results)
    assert made.told == [("1", "applied")]
    assert made.unit.words("holding", controls + 5, 1) == [2500]  # 25.00 % of 20 kW
    assert made.unit.words("holding", controls + 7, 1) == [60]
    assert made.unit.words("holding", controls + 9, 1) == [1]
    made.ask("2", ttl_s=0)
    await until(lambda: made.told[-1] == ("2", "applied"))
    assert made.unit.words("holding", controls + 9, 1) == [0]


async def test_charger_gets_amperes_and_its_safe_current_at_the_end(rig, devices, until):
    made = await rig(devices.charger(), "alfen-ng9xx", {"power_w": Permit("W", 0.0, 22_000.0)})
    await until(lambda: made.control.safe)
    assert made.unit.words("holding", 1210, 2) == devices.f32(8.0)
    made.ask(power_w=6900, ttl_s=20.0)
    await until(lambda: made.results)
    assert made.unit.words("holding", 1210, 2) == devices.f32(10.0)
    await made.advance(21)
    await until(lambda: made.told[-1] == ("1", "expired"))
    assert made.unit.words("holding", 1210, 2) == devices.f32(8.0)


STATES = {"state": Permit("", allowed=("normal", "boost", "blocked"))}


async def test_heat_pump_is_switched_in_one_write_and_back_to_normal(rig, devices, until):
    made = await rig(devices.heat_pump(), "sg-ready-relay", STATES)
    await until(lambda: made.control.safe)
    assert made.unit.writes == []  # it was in its safe state already
    made.ask(state="boost")
    await until(lambda: made.results)
    assert made.unit.writes == [("coil", 0, [0, 1])]
    await made.advance(61)
    await until(lambda: made.told[-1] == ("1", "expired"))
    assert made.unit.words("coil", 0, 2) == [0, 0]


async def test_heat_pump_holds_a_state_ten_minutes_against_another_command(rig, devices, until):
    made = await rig(devices.heat_pump(), "sg-ready-relay", STATES)
    await until(lambda: made.control.safe)
    made.ask("1", state="boost", ttl_s=300.0)
    await until(lambda: made.results)
    await made.advance(20)
    made.ask("2", state="blocked")
    await until(lambda: len(made.results) == 2)
    assert made.told[-1] == ("2", "refused")
    assert "again possible in" in made.results[-1].reason
    assert made.unit.words("coil", 0, 2) == [0, 1]
    made.ask("3", state="boost")  # the same state goes on
    await until(lambda: made.told[-1] == ("3", "applied"))
    made.ask("4", ttl_s=0)  # back to normal is never held up
    await until(lambda: made.told[-1] == ("4", "applied"))
    assert made.unit.words("coil", 0, 2) == [0, 0]
    made.ask("5", state="boost")
    await until(lambda: made.told[-1] == ("5", "refused"))
    await made.advance(61)
    made.ask("6", state="boost")
    await until(lambda: made.told[-1] == ("6", "applied"))


async def test_relay_without_watchdog_that_lost_its_state_is_set_again(rig, devices, until):
    made = await rig(devices.heat_pump(), "sg-ready-relay", STATES)
    await until(lambda: made.control.safe)
    made.ask(state="boost", ttl_s=300.0)
    await until(lambda: made.results)
    made.unit.put("coil", 0, [0, 0])  # the board restarted
    await made.advance(32)
    assert made.unit.words("coil", 0, 2) == [0, 1]
