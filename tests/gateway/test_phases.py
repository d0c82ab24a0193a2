"""A charger between one phase and three: registers in their order, the pause, and never more on a phase than was meant."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import GatewayConfig
from gateway.control import DeviceControl
from gateway.leases import Permit
from gateway.modbus import Bus
from gateway.phases import Phases, wanted_phases
from gateway.polling import FieldDevice
from gateway.profile import Library, PhaseSwitch, Transform
from messaging.codec import Command
from runtime.clock import ManualClock

CURRENT, PHASES, POWER = 1210, 1215, 344  # from the vendor's table
LIBRARY = Library()
MOST_W = 11_040.0  # 16 A on three phases


def alfen(idle_within_s):
    """The profile as it is, but for its patience."""
    profile = LIBRARY.get("alfen-ng9xx")
    control = profile.controls[0]
    switch = control.transform.switch.model_copy(update={"idle_within_s": idle_within_s})
    transform = control.transform.model_copy(update={"switch": switch})
    return profile.model_copy(update={"controls": (control.model_copy(update={"transform": transform}),)})


class Rig:
    """A charger on a real connection whose car draws what it may, at once."""

    def __init__(self, server, unit, f32, *, switch_phases=True, idle_within_s=10.0):
        self.unit, self.f32 = unit, f32
        self.clock = ManualClock()
        self.results = []
        self.bus = Bus(server.address, timeout_s=0.3)
        device = FieldDevice("site/ev", 1, alfen(idle_within_s), 10.0)
        permits = {"power_w": Permit("W", 0.0, MOST_W)}
        self.control = DeviceControl(
            device, self.bus, permits, self.clock, self.results.append, switch_phases=switch_phases
        )
        self.draws = True
        unit.on_write = self.drawn
        self.task = asyncio.create_task(self.control.run())

    def drawn(self, *_):
        amps = self.current() if self.draws else 16.0
        self.unit.put("holding", POWER, self.f32(amps * 230 * self.phases() if amps >= 6 else 0.0))

    def current(self):
        return struct.unpack(">f", struct.pack(">2H", *self.unit.words("holding", CURRENT, 2)))[0]

    def phases(self):
        return self.unit.words("holding", PHASES, 1)[0]

    def ask(self, name, power_w, ttl_s=60.0):
        self.control.submit(
            Command(name, "site/ev", {"power_w": power_w}, ttl_s, "test", "because", self.clock.now_ms())
        )

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.bus.close()

    def told(self, name):
        return next((result for result in self.results if result.id == name), None)


@pytest.fixture
async def made(serve, devices, until):
    rigs = []

    async def make(**options) -> Rig:
        unit = devices.charger()
        unit.put("holding", POWER, devices.f32(0.0))
        rigs.append(Rig(await serve({1: unit}), unit, devices.f32, **options))
        await until(lambda: rigs[-1].control.safe)
        return rigs[-1]

    yield make
    for each in rigs:
        await each.close()


async def test_little_power_is_drawn_from_one_phase_after_the_pause_and_at_nought_first(made, until):
    rig = await made()
    rig.ask("1", 2300)
    await until(lambda: rig.told("1"))
    assert (rig.current(), rig.phases()) == (0.0, 3)
    assert rig.told("1").state == "applied"
    assert rig.told("1").reason.endswith("read back; it waits 300 s for one phase")
    await rig.clock.advance(300)
    rig.unit.writes.clear()
    rig.ask("2", 2300)
    await until(lambda: rig.told("2"))
    assert [(at, words) for _, at, words in rig.unit.writes] == [
        (CURRENT, rig.f32(0.0)),
        (PHASES, [1]),
        (CURRENT, rig.f32(10.0)),
    ]
    assert rig.told("2").reason.endswith("on one phase")


async def test_more_power_waits_on_one_phase_for_three_within_what_each_may_carry(made, until):
    rig = await made()
    await rig.clock.advance(300)
    rig.ask("1", 2300)
    await until(lambda: rig.told("1"))
    await rig.clock.advance(40)
    rig.ask("2", 9000)
    await until(lambda: rig.told("2"))
    assert rig.phases() == 1
    assert rig.current() == pytest.approx(9000 / 690)
    assert rig.told("2").reason.endswith("it waits 260 s for 3 phases")
    await rig.clock.advance(260)
    rig.ask("3", 9000)
    await until(lambda: rig.told("3"))
    assert (rig.phases(), rig.current()) == (3, pytest.approx(9000 / 690))


async def test_a_lease_that_goes_on_switches_by_itself_when_it_may(made, until):
    rig = await made()
    rig.ask("1", 2300, ttl_s=300.0)
    await until(lambda: rig.told("1"))
    await rig.clock.advance(100)
    rig.ask("2", 2300, ttl_s=300.0)
    for _ in range(60):
        await rig.clock.advance(5)
        await asyncio.sleep(0.01)
        if rig.phases() == 1:
            break
    assert rig.phases() == 1
    await until(lambda: rig.current() == 10.0)


async def test_car_that_goes_on_drawing_is_not_switched(made, until):
    rig = await made(idle_within_s=0.2)
    await rig.clock.advance(300)
    rig.draws = False
    rig.ask("1", 2300)
    await until(lambda: rig.told("1"))
    assert rig.told("1").state == "failed"
    assert "reads back" in rig.told("1").reason
    assert rig.phases() == 3


async def test_less_than_one_phase_needs_pauses_without_a_switch(made, until):
    rig = await made()
    await rig.clock.advance(300)
    rig.ask("1", 1000)
    await until(lambda: rig.told("1"))
    assert rig.phases() == 3
    assert rig.current() < 6  # at which it pauses


async def test_without_leave_phases_are_left_as_they_are(made, until):
    rig = await made(switch_phases=False)
    await rig.clock.advance(300)
    rig.ask("1", 2300)
    await until(lambda: rig.told("1"))
    assert rig.phases() == 3
    assert rig.current() == pytest.approx(2300 / 690)


@pytest.mark.parametrize("switch", [{"amperes_at_v": None}, {"phases": 3}])
def test_switch_needs_a_point_of_phases_and_amperes(switch):
    fields = {"amperes_at_v": 230, "phases": "phases", "switch": {"pause_s": 300, "idle": "power"}, **switch}
    with pytest.raises(ValueError, match="phases must be the point that is switched"):
        Transform.model_validate(fields)


@pytest.mark.parametrize(
    ("device", "why"),
    [
        ({"profile": "keba-p30", "switch_phases": True}, "profile keba-p30 cannot switch them"),
        ({"profile": "alfen-ng9xx", "switch_phases": True}, "needs limits for power_w"),
    ],
)
def test_configuration_tells_what_cannot_be_switched(device, why, tmp_path):
    config = {
        "gateway": "gw", "community": "c", "data_dir": str(tmp_path),
        "buses": [{"id": "b", "url": "tcp://127.0.0.1", "devices": [{"device": "site/ev", **device}]}],
    }  # fmt: skip
    with pytest.raises(ValueError, match=f"site/ev: switch_phases: {why}"):
        GatewayConfig.model_validate(config)


TRANSFORM = Transform(amperes_at_v=230, phases="phases", switch=PhaseSwitch(pause_s=300, idle="power"))


@given(power_w=st.floats(0, MOST_W), present=st.sampled_from([1, 3]), waited_s=st.floats(0, 600))
def test_no_phase_ever_carries_more_than_was_meant(power_w, present, waited_s):
    clock = ManualClock()
    phases = Phases(clock, MOST_W)
    wanted = wanted_phases(TRANSFORM, power_w)
    amps = phases.current_a(TRANSFORM, power_w, present)
    assert 0 <= amps <= 16.0 + 1e-9
    drawn = amps if amps >= 6 else 0.0
    assert drawn * 230 * present <= power_w + 1e-6
    if wanted is not None:
        assert drawn <= power_w / (230 * wanted) + 1e-9
    assert phases.wait_s(300) <= 300
