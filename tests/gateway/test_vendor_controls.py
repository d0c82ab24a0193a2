"""Batteries and inverters that need several registers for one setpoint: what stands in them, for how long, and flash.

Addresses and codes are typed from the vendors' tables, not taken from the profiles.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest

from energy.errors import ConfigError
from gateway.config import GatewayConfig
from gateway.control import DeviceControl
from gateway.leases import Permit
from gateway.modbus import Bus
from gateway.polling import FieldDevice
from gateway.profile import Library
from messaging.codec import Command
from runtime.clock import ManualClock

LIBRARY = Library()
POWER = {"power_w": Permit("W", -10_000.0, 10_000.0)}
SE_MODE, SE_DEFAULT, SE_TIMEOUT, SE_COMMAND, SE_CHARGE, SE_DISCHARGE = 57348, 57354, 57355, 57357, 57358, 57360


def huawei(devices):
    unit = devices.Unit()
    for address, words in {37046: [0, 5000], 37048: [0, 5000], 47083: [0], 47100: [0], 47246: [1]}.items():
        unit.put("holding", address, words)
    unit.put("holding", 47247, [0, 0, 0, 0])
    return unit


def goodwe(devices):
    unit = devices.Unit()
    unit.put("holding", 47511, [1, 0])
    return unit


def sungrow(devices):
    unit = devices.Unit()
    unit.put("holding", 13049, [0, 0xCC, 0])
    return unit


def sungrow_pv(devices):
    unit = devices.Unit()
    unit.put("input", 5000, [500])  # 50 kW
    unit.put("holding", 5006, [0x55, 1000])
    return unit


def solaredge(devices):
    unit = devices.Unit()
    unit.put("holding", 57668, [*devices.f32(5000.0)[::-1], *devices.f32(4500.0)[::-1]])
    unit.put("holding", SE_MODE, [1])
    unit.put("holding", SE_DEFAULT, [1, 3600, 0, 7, *devices.f32(0.0)[::-1], *devices.f32(0.0)[::-1]])
    return unit


def kostal(devices, order=0):
    unit = devices.Unit()
    unit.put("holding", 5, [order])
    unit.put("holding", 1034, [0, 0])
    return unit


class Rig:
    def __init__(self, server, unit, profile):
        self.unit = unit
        self.clock = ManualClock()
        self.results = []
        self.bus = Bus(server.address, timeout_s=0.3)
        device = FieldDevice("site/battery", 1, LIBRARY.get(profile), 10.0)
        self.control = DeviceControl(device, self.bus, POWER, self.clock, self.results.append)
        self.task = asyncio.create_task(self.control.run())

    def ask(self, name, power_w, ttl_s=60.0):
        self.control.submit(
            Command(name, "site/battery", {"power_w": power_w}, ttl_s, "test", "because", self.clock.now_ms())
        )

    async def advance(self, seconds, step_s=5.0):
        for _ in range(round(seconds / step_s)):
            await self.clock.advance(step_s)
            await asyncio.sleep(0.01)

    @property
    def told(self):
        return [(result.id, result.state) for result in self.results]

    def written(self, address):
        return [words for _, at, words in self.unit.writes if at == address]

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.bus.close()


@pytest.fixture
async def rig(serve, until):
    async with contextlib.AsyncExitStack() as stack:

        async def make(unit, profile) -> Rig:
            made = Rig(await serve({1: unit}), unit, profile)
            stack.push_async_callback(made.close)
            await until(lambda: made.control.safe)
            return made

        yield make


CASES = [
    # profile, image, W, {address: words} while it stands, {address: words} in the safe state
    ("huawei-luna2000", huawei, -3000, {47100: [1], 47246: [0], 47247: [0, 3000], 47083: [1]}, {47100: [0]}),
    ("huawei-luna2000", huawei, 2500, {47100: [2], 47246: [0], 47249: [0, 2500], 47083: [1]}, {47100: [0]}),
    ("goodwe-et-battery", goodwe, -3000, {47511: [11], 47512: [3000]}, {47511: [1]}),
    ("goodwe-et-battery", goodwe, 3000, {47511: [12], 47512: [3000]}, {47511: [1]}),
    ("goodwe-et-battery", goodwe, 0, {47511: [8]}, {47511: [1]}),
    ("sungrow-sh-battery", sungrow, -2000, {13049: [2], 13050: [0xAA], 13051: [2000]}, {13049: [0], 13050: [0xCC]}),
    ("sungrow-sh-battery", sungrow, 2000, {13049: [2], 13050: [0xBB], 13051: [2000]}, {13049: [0], 13050: [0xCC]}),
    ("sungrow-sh-battery", sungrow, 0, {13049: [2], 13050: [0xCC]}, {13049: [0], 13050: [0xCC]}),
    ("sungrow-sg", sungrow_pv, 5000, {5006: [0xAA], 5007: [100]}, {5006: [0x55]}),
    ("solaredge-battery", solaredge, -2000, {SE_MODE: [4], SE_COMMAND: [3], SE_TIMEOUT: [60, 0]}, {SE_COMMAND: [7]}),
    ("solaredge-battery", solaredge, 2000, {SE_MODE: [4], SE_COMMAND: [4], SE_DEFAULT: [7]}, {SE_COMMAND: [7]}),
    ("solaredge-battery", solaredge, 0, {SE_COMMAND: [7], SE_CHARGE: [0, 0], SE_DISCHARGE: [0, 0]}, {SE_MODE: [4]}),
]


@pytest.mark.parametrize(("name", "image", "power_w", "standing", "safe"), CASES)
async def test_setpoint_stands_in_the_vendors_registers_and_ends_in_the_safe_state(
    rig, devices, until, name, image, power_w, standing, safe
):
    made = await rig(image(devices), name)
    made.ask("1", power_w)
    await until(lambda: made.results)
    assert made.told == [("1", "applied")]
    for address, words in standing.items():
        assert made.unit.words("holding", address, len(words)) == words, address
    await made.advance(70)
    await until(lambda: len(made.results) == 2)
    assert made.told[1] == ("1", "expired")
    for address, words in safe.items():
        assert made.unit.words("holding", address, len(words)) == words, address


async def test_solaredge_limits_are_floats_low_word_first_and_the_safe_state_lifts_them(rig, devices, until):
    made = await rig(solaredge(devices), "solaredge-battery")
    made.ask("1", -2000)
    await until(lambda: made.results)
    assert made.unit.words("holding", SE_CHARGE, 2) == devices.f32(2000.0)[::-1]
    await made.advance(70)
    assert made.unit.words("holding", SE_CHARGE, 2) == devices.f32(5000.0)[::-1]
    assert made.unit.words("holding", SE_DISCHARGE, 2) == devices.f32(4500.0)[::-1]


@pytest.mark.parametrize(("order", "turn"), [(0, -1), (1, 1)])
async def test_kostal_s_setpoint_is_a_float_in_its_own_word_order_fed_within_half_of_its_30_s(
    rig, devices, until, order, turn
):
    made = await rig(kostal(devices, order), "kostal-plenticore-battery")
    started, fed = made.clock.monotonic(), []
    made.unit.on_write = lambda function, address, words: fed.append((made.clock.monotonic() - started, words))
    made.ask("1", -2000)
    await until(lambda: made.results)
    assert made.told == [("1", "applied")]
    charging = devices.f32(-2000.0)[::turn]
    assert made.unit.words("holding", 1034, 2) == charging
    await made.advance(70)
    await until(lambda: len(made.results) == 2)
    assert made.told[1] == ("1", "expired")
    renewals = [at for at, words in fed if words == charging]
    assert all(later - earlier <= 15 for earlier, later in itertools.pairwise(renewals))
    assert renewals[-1] >= 40
    assert fed[-1][1] == [0, 0]


async def test_huawei_cannot_be_told_to_hold_and_says_so(rig, devices, until):
    made = await rig(huawei(devices), "huawei-luna2000")
    made.ask("1", 0)
    await until(lambda: made.results)
    assert made.told == [("1", "failed")]
    assert "zero power_w" in made.results[0].reason
    assert made.written(47100) in ([], [[0]], [[0], [0]])


async def test_timer_in_minutes_never_outlives_the_lease(rig, devices, until):
    """Each writing of the period starts it anew: after the last one it may not run beyond the lease."""
    made = await rig(huawei(devices), "huawei-luna2000")
    started = made.clock.monotonic()
    ends = []
    made.unit.on_write = lambda function, address, words: (
        ends.append(made.clock.monotonic() - started + 60 * words[0]) if address == 47083 else None
    )
    made.ask("1", -3000, ttl_s=200.0)
    await until(lambda: made.results)
    await made.advance(195)
    assert len(ends) >= 2
    assert max(ends) <= 200
    assert made.unit.words("holding", 47100, 1) == [1]


async def test_lease_shorter_than_the_timers_step_is_refused(rig, devices, until):
    made = await rig(huawei(devices), "huawei-luna2000")
    made.ask("1", -3000, ttl_s=30.0)
    await until(lambda: made.results)
    assert made.told == [("1", "failed")]
    assert "60 s" in made.results[0].reason
    assert made.unit.words("holding", 47100, 1) == [0]


async def test_flash_is_written_once_over_an_hour_of_renewals_changes_and_safe_states(rig, devices, until):
    made = await rig(solaredge(devices), "solaredge-battery")
    for number in range(60):
        made.ask(str(number), 1000 if number % 2 else -1000 - number, ttl_s=45.0)
        await made.advance(60, step_s=15)
    assert made.told.count(("59", "applied")) == 1
    assert sum(state == "expired" for _, state in made.told) >= 55  # a busy machine tells the last ones later
    assert made.written(SE_MODE) == [[4]]
    assert made.written(SE_DEFAULT) == [[7]]
    assert len(made.written(SE_COMMAND)) > 60


async def test_flash_that_somebody_else_keeps_changing_is_given_up_not_worn_out(rig, devices, until):
    """An installer's app and the gateway fight over the mode; twenty writes a day, then the commands fail."""
    made = await rig(solaredge(devices), "solaredge-battery")
    for number in range(30):
        made.unit.put("holding", SE_MODE, [1])
        made.ask(str(number), -1000, ttl_s=20.0)
        await until(lambda number=number: any(result.id == str(number) for result in made.results))
        await made.advance(25)
    assert len(made.written(SE_MODE)) + len(made.written(SE_DEFAULT)) == 20
    assert made.told[-1] == ("29", "failed")
    assert "flash" in made.results[-1].reason


async def test_setpoint_taken_away_on_the_device_is_noticed_and_told(rig, devices, until):
    """No watchdog: the gateway looks every 30 s, writes once more, and fails the lease when that does not hold."""
    made = await rig(goodwe(devices), "goodwe-et-battery")
    made.ask("1", -3000, ttl_s=300.0)
    await until(lambda: made.results)
    made.unit.put("holding", 47511, [1])
    await made.advance(40)
    assert made.unit.words("holding", 47511, 1) == [11]
    made.unit.on_write = lambda function, address, words: made.unit.put("holding", 47511, [1])
    made.unit.put("holding", 47511, [1])
    await made.advance(150)
    for _ in range(100):
        await made.advance(1, step_s=1)
        await asyncio.sleep(0.05)
        if len(made.results) > 1:
            break
    assert made.told[1] == ("1", "failed")
    assert "reads back" in made.results[1].reason


def configured(profile, **device):
    return GatewayConfig.model_validate(
        {
            "gateway": "gw",
            "community": "c",
            "data_dir": "data",
            "buses": [
                {
                    "id": "b",
                    "url": "tcp://h",
                    "devices": [
                        {
                            "device": "s/battery",
                            "profile": profile,
                            "limits": {"power_w": {"low": -100, "high": 100}},
                            **device,
                        }
                    ],
                }
            ],
        }
    )


@pytest.mark.parametrize("profile", ["goodwe-et-battery", "sungrow-sh-battery"])
def test_device_without_a_timer_is_commanded_only_where_that_is_accepted(profile):
    with pytest.raises(ValueError, match="accept_no_watchdog: true"):
        configured(profile)
    assert configured(profile, accept_no_watchdog=True).buses


def test_setpoint_that_wears_flash_makes_no_profile(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "profile: mine\nmanufacturer: a\nmodel: b\nrole: battery\nsource: [x]\nverified: simulated\n"
        "points:\n  - {point: P, name: power_w, address: 1, type: u16, wears: true}\n"
        "controls:\n  - quantity: power_w\n    safe_state: s\n    safe: [{point: P, value: 0}]\n"
        "    apply: [{point: P, value: setpoint}]\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match="P wears flash"):
        Library(tmp_path).get("mine")
