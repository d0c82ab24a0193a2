"""Every control of the library on a real Modbus server: applied, read back, made safe."""

from __future__ import annotations

import pytest

from energy.errors import DeviceError
from gateway.actuator import Actuator
from gateway.device import discover
from gateway.profile import Library
from tests.gateway.images import Image, definition_length, image_of, pack, served, sunspec_chain

LIBRARY = Library()
MODBUS = [name for name in LIBRARY.names() if LIBRARY.get(name).protocol == "modbus"]
COMMANDED = [
    (name, control.quantity, value)
    for name in MODBUS
    for control in LIBRARY.get(name).controls
    for value in (
        LIBRARY.get(name).setpoint_texts(control)
        or [value for value in (-2500, 0, 2500, 5000) if control.low is None or value >= control.low]
    )
]
RATED = 5000  # W, of every nameplate below; setpoints are whole per cents of it


def commandable(profile, control):
    """(image, what its points mean): a device rated 5 kW on three phases, nothing commanded yet."""
    said = {write.value: 600 for write in control.safe if isinstance(write.value, str)}
    said |= {write.point: 0 for write in (*control.apply, *control.safe)} | control.confirm
    if control.transform:
        said |= dict.fromkeys(control.transform.percent_of, RATED)
        said |= {control.transform.phases: 3} if isinstance(control.transform.phases, str) else {}
    if control.watchdog and control.watchdog.remaining:
        said[control.watchdog.remaining] = 60
    raws = {}
    for name, value in said.items():
        point = profile.point(name)
        raw = value / point.scale / point.sign
        raws[name] = raw if point.type.startswith("f") else round(raw)
    return image_of(profile, said=raws), said


def asked_for(profile, control, write, value, said):
    """What a step of the control must leave in its point, in the point's unit."""
    if not isinstance(write.value, str):
        return write.value
    if write.value == "setpoint":
        texts = {text: raw for raw, text in profile.point(write.point).states.items()}
        return texts[value] if isinstance(value, str) else as_the_device_counts(control.transform, value)
    if write.value == "magnitude":
        return abs(value)
    return control.watchdog.seconds if write.value == "watchdog_s" else said[write.value]


def as_the_device_counts(transform, value):
    """A setpoint in W as a percentage of the nameplate, or as amperes on three phases of 230 V."""
    if transform and transform.percent_of:
        return 100 * value / RATED
    if transform and transform.amperes_at_v:
        amperes = value / 690
        amperes = int(amperes / transform.step_a) * transform.step_a if transform.step_a else amperes
        return amperes if amperes >= transform.least_a else 0
    return value


async def stand_in(bus, layout, wanted):
    """Whether the registers, read and packed here, hold these values (by point, in the point's unit)."""
    for name, value in wanted.items():
        place = layout.located[name]
        point = place.point
        raw = value / point.scale / point.sign
        words = pack(point.type, raw if point.type.startswith("f") else round(raw), place.word_order)
        assert await bus.read(1, point.function, place.address, len(words)) == list(words), name


@pytest.mark.parametrize(("name", "quantity", "value"), COMMANDED)
async def test_every_control_is_applied_read_back_and_made_safe_on_a_real_server(name, quantity, value):
    profile = LIBRARY.get(name)
    control = profile.control(quantity)
    image, said = commandable(profile, control)
    sign = "zero" if value == 0 else "negative" if not isinstance(value, str) and value < 0 else "positive"
    steps = [write for write in control.apply if not write.when or sign in write.when]
    async with served(image, profile.max_gap) as bus:
        layout = await discover(bus, 1, profile)
        actuator = Actuator(bus, 1, layout)
        if (name, value) == ("huawei-luna2000", 0):
            with pytest.raises(DeviceError, match="cannot be told a zero"):
                await actuator.apply(control, value, 600)
            return
        stands_s = await actuator.apply(control, value, 600)
        assert stands_s == (control.watchdog.seconds if control.watchdog else float("inf"))
        await stand_in(bus, layout, {write.point: asked_for(profile, control, write, value, said) for write in steps})
        assert await actuator.stands(control, value)
        await actuator.make_safe(control)
        await stand_in(
            bus, layout, {write.point: asked_for(profile, control, write, 0, said) for write in control.safe}
        )
        assert await actuator.stands(control, None)


def battery_124(name):
    """(image, address of model 124) with a nameplate of 5 kW and hundredths of a per cent."""
    profile = LIBRARY.get(name)
    image = Image()
    chain = sunspec_chain(profile, image, last=False)
    for model, at in chain.items():
        for offset in range(2, 100 if model == 160 else definition_length(model)):
            image.words.setdefault(("holding", at + offset), 0)
    at = chain[124]
    image.words |= {("holding", at + 2): 5000, ("holding", at + 18): 0, ("holding", at + 25): -2 & 0xFFFF}
    return profile, image, at


@pytest.mark.parametrize("name", ["sunspec-storage-124", "fronius-gen24-battery"])
@pytest.mark.parametrize(
    ("power_w", "out", "into"), [(-2500, -5000, 5000), (2500, 5000, -5000), (0, 0, 0), (-9000, -10_000, 10_000)]
)
async def test_model_124_control_writes_both_limits_with_the_standards_signs(name, power_w, out, into):
    """Negative OutWRte forces charging, negative InWRte forces discharging; both bits of StorCtl_Mod switch them on."""
    profile, image, at = battery_124(name)
    async with served(image) as bus:
        actuator = Actuator(bus, 1, await discover(bus, 1, profile))
        await actuator.apply(profile.controls[0], power_w, 600)
        words = await bus.read(1, "holding", at, 26)
        assert (words[12], words[13]) == (out & 0xFFFF, into & 0xFFFF)
        assert (words[5], words[15]) == (3, 60)
        await actuator.make_safe(profile.controls[0])
        assert await bus.read(1, "holding", at + 5, 1) == [0]


async def test_solaredge_limit_is_written_as_a_percentage_of_its_rating_and_trusts_only_its_own_timer():
    profile = LIBRARY.get("solaredge-inverter")
    image = image_of(profile)
    for address, words in {0xF304: pack("f32", 10_000.0, "little"), 0xF310: [30, 0], 0xF322: [0, 0]}.items():
        image.words |= {("holding", at): word for at, word in enumerate(words, address)}
    async with served(image) as bus:
        actuator = Actuator(bus, 1, await discover(bus, 1, profile))
        assert await actuator.apply(profile.controls[0], 2500, 600) == 30
        assert await bus.read(1, "holding", 0xF322, 2) == list(pack("f32", 25.0, "little"))
        await actuator.make_safe(profile.controls[0])
        assert await bus.read(1, "holding", 0xF322, 2) == list(pack("f32", 100.0, "little"))
        assert await bus.read(1, "holding", 0xF300, 1) == [image.words["holding", 0xF300]]


@pytest.mark.parametrize(("power_w", "tenths"), [(11_040, 160), (7000, 101), (4139, 0), (0, 0)])
async def test_heidelberg_current_is_never_more_than_asked_and_pauses_below_six_amperes(power_w, tenths):
    profile = LIBRARY.get("heidelberg-energy-control")
    image = image_of(profile)
    image.words["holding", 262] = 80
    async with served(image) as bus:
        actuator = Actuator(bus, 1, await discover(bus, 1, profile))
        await actuator.apply(profile.controls[0], power_w, 600)
        assert await bus.read(1, "holding", 261, 1) == [tenths]
        await actuator.make_safe(profile.controls[0])
        assert await bus.read(1, "holding", 261, 1) == [80]


async def test_waveshare_relay_is_switched_and_left_open():
    profile = LIBRARY.get("waveshare-relay")
    async with served(image_of(profile)) as bus:
        actuator = Actuator(bus, 1, await discover(bus, 1, profile))
        await actuator.apply(profile.controls[0], "on", 600)
        assert await bus.read(1, "coil", 0, 1) == [1]
        await actuator.make_safe(profile.controls[0])
        assert await bus.read(1, "coil", 0, 1) == [0]


def test_no_control_writes_a_register_known_to_wear():
    """SolarEdge's static registers, Victron's settings, SMA's parameters: flash on the device.

    What is declared to wear is written on change only (test_vendor_controls).
    """
    worn = {0xE004, 0xE00A, 0xF001, 0xF100, 0xF142, *range(2700, 2715), 40_016}
    for name in MODBUS:
        profile = LIBRARY.get(name)
        for control in profile.controls:
            for write in (*control.apply, *control.safe):
                point = profile.point(write.point)
                assert point.wears or point.address not in worn, name


async def test_charger_that_ignores_our_setpoint_fails_the_command():
    """Alfen tells at 1214 whether it takes our current into account."""
    profile = LIBRARY.get("alfen-ng9xx")
    image = image_of(profile)
    image.words |= {("holding", 1215): 3, ("holding", 1214): 0, ("holding", 1208): 0, ("holding", 1209): 60}
    async with served(image, profile.max_gap) as bus:
        actuator = Actuator(bus, 1, await discover(bus, 1, profile))
        with pytest.raises(DeviceError, match="setpoint_accounted_for reads back 0, not 1"):
            await actuator.apply(profile.controls[0], 7000, 60)
        await bus.write(1, "holding", 1214, [1])
        assert await actuator.apply(profile.controls[0], 7000, 60) == 60
