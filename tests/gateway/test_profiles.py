"""Every profile of the library against a real Modbus server whose registers are packed here, by struct alone."""

from __future__ import annotations

import contextlib
import json
import struct
from importlib.resources import files
from pathlib import Path

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from energy.errors import ConfigError, DeviceError
from energy.quantities import QUANTITIES
from gateway.actuator import Actuator
from gateway.device import discover, read_device
from gateway.library_docs import render
from gateway.modbus import Bus, BusAddress
from gateway.probe import probe, scan
from gateway.profile import Library

LIBRARY = Library()
MODBUS = [name for name in LIBRARY.names() if LIBRARY.get(name).protocol == "modbus"]
FORMATS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "f32": ">f", "f64": ">d"}
FORMATS |= {"acc32": ">I", "acc64": ">Q"}
BASE = 40_000
MAINS = {"frequency_hz": 50, "voltage_l1_v": 230}
DEVICES = {
    "abb-b23-b24",
    "abb-terra-ac",
    "alfen-ng9xx",
    "byd-battery-box",
    "carlo-gavazzi-em24-rs485",
    "carlo-gavazzi-em340",
    "eastron-sdm120",
    "eastron-sdm630",
    "eastron-sdm72",
    "fronius-gen24-battery",
    "fronius-gen24-pv",
    "goodwe-et-battery",
    "goodwe-et-meter",
    "goodwe-et-pv",
    "heidelberg-energy-control",
    "huawei-luna2000",
    "huawei-meter",
    "huawei-sun2000",
    "janitza-umg96",
    "keba-p30",
    "kostal-plenticore-battery",
    "kostal-plenticore-meter",
    "kostal-plenticore-pv",
    "p1-emucs",
    "phoenix-em-cp-pp-eth",
    "schneider-iem3155",
    "siemens-pac2200",
    "sma-battery",
    "sma-meter",
    "sma-tripower",
    "socomec-countis-e",
    "solaredge-battery",
    "solaredge-hybrid-pv",
    "solaredge-inverter",
    "solaredge-meter",
    "sungrow-sg",
    "sungrow-sh-battery",
    "sungrow-sh-meter",
    "sungrow-sh-pv",
    "sunspec-storage-124",
    "victron-evcs",
    "victron-gx-battery",
    "victron-gx-grid",
    "waveshare-relay",
}


def test_library_holds_the_devices_that_are_promised():
    assert set(LIBRARY.names()) >= DEVICES


class Image:
    """The registers of one device, and what its points mean."""

    def __init__(self):
        self.words: dict[tuple[str, int], int] = {}
        self.expected: dict[str, object] = {}

    def put(self, function, address, words):
        for at, word in enumerate(words, address):
            taken = self.words.setdefault((function, at), word)
            assert taken == word, f"two points want {function} {at}"


def pack(type_name, raw, order):
    """Words of a raw value, by struct."""
    if type_name.startswith("str"):
        size = 2 * int(type_name[3:])
        return struct.unpack(f">{size // 2}H", raw.encode().ljust(size, b"\0")[:size])
    if type_name.startswith("bits"):
        return [raw >> bit & 1 for bit in range(int(type_name[4:]))]
    data = struct.pack(FORMATS[type_name], raw)
    words = struct.unpack(f">{len(data) // 2}H", data)
    return words if order == "big" else words[::-1]


def choose(point, index, power, shares):
    """(raw, what it means): as large a number as the point may have, negative where it can be."""
    if point.type.startswith("str"):
        text = f"T{index}"[: 2 * int(point.type[3:])]
        return text, text
    if point.states:
        raw = sorted(point.states)[index % len(point.states)]
        return raw, point.states[raw]
    if point.type.startswith("f"):
        candidates = [-12_345.75 - index, 12_345.75 + index, 230.5 + index, 50.5, 0.25]
    elif point.type.startswith("s"):
        candidates = [-70_000 - index, -1_234 - index, 70_000 + index, 1_234 + index, 50 + index % 40, 9]
    else:
        candidates = [5_000_000_000 + index, 70_000 + index, 41_000 + index, 1_234 + index, 501, 50 + index % 40, 9]
    for raw in candidates:
        value = raw * point.sign * point.scale * 10.0**power
        with contextlib.suppress(struct.error):
            struct.pack(FORMATS[point.type], raw)
            if raw not in point.invalid and possible(point, value, shares):
                return raw, value
    raise AssertionError(f"no value for {point.point}")


def possible(point, value, shares):
    if point.range is not None and not point.range[0] <= value <= point.range[1]:
        return False
    facts = QUANTITIES.get(point.name)
    return facts is None or facts.low <= shares * value <= facts.high


def image_of(profile, power=0, last=False, said=()):
    """The device's registers; of a group of alternative models it has the first, or the `last`.

    `said`: raw values of some points. With it the device also shows plausible mains.
    """
    image = Image()
    chain = sunspec_chain(profile, image, last) if profile.sunspec else {}
    for index, point in enumerate(profile.points):
        start, factor = point.address, point.scale_factor
        if point.offset is not None:
            model = next((model for model in point.models if model in chain), None)
            if model is None:
                continue
            start = chain[model] + point.offset
            factor = None if factor is None else chain[model] + factor
        shares = sum(other.name == point.name for other in profile.points)
        raw, value = choose(point, index, power if factor is not None else 0, shares)
        if said and point.name in MAINS:
            raw = MAINS[point.name] / (point.scale * 10.0 ** (power if factor is not None else 0))
            raw = raw if point.type.startswith("f") else round(raw)
        raw = dict(said).get(point.point, raw)
        image.put(point.function, start, pack(point.type, raw, point.word_order or profile.word_order))
        if factor is not None:
            image.put(point.function, factor, [power & 0xFFFF])
        image.expected[point.point] = value
    return image


def sunspec_chain(profile, image, last):
    """Marker, model 1 and the models the profile has points in, each with the length the standard gives it."""
    groups = [set(group) for group in profile.sunspec.needs]
    mine = {group[-1 if last else 0] for group in profile.sunspec.needs}
    asked = {model for point in profile.points for model in point.models}
    others = {model for model in asked if not any(model in group for group in groups)}
    chain, address = {}, BASE + 2
    image.put("holding", BASE, [0x5375, 0x6E53])
    earlier = sorted(mine) * (profile.sunspec.occurrence - 1)  # of other devices on the same map
    for model in [1, *earlier, *sorted((mine | others) - {1})]:
        length = 100 if model == 160 else definition_length(model)
        chain[model] = address
        image.put("holding", address, [model, length])
        address += 2 + length
    image.put("holding", address, [0xFFFF, 0])
    return chain


def definition(model):
    return json.loads((files("sunspec2") / "models" / "json" / f"model_{model}.json").read_text("utf-8"))["group"]


def definition_length(model):
    return sum(point["size"] for point in definition(model)["points"]) - 2


def blocks(image, function, max_gap):
    """Legal ranges of one function, gaps of up to `max_gap` filled: what the profile says may be read along."""
    addresses = sorted(address for kind, address in image.words if kind == function)
    runs: list[list[int]] = []
    for address in addresses:
        if runs and address - runs[-1][-1] <= max_gap + 1:
            runs[-1].extend(range(runs[-1][-1] + 1, address + 1))
        else:
            runs.append([address])
    return [(run[0], [image.words.get((function, address), 0) for address in run]) for run in runs]


@contextlib.asynccontextmanager
async def served(image, max_gap=0):
    """A bus to a pymodbus server that has these registers and no others, as unit 1."""
    gap = 200 if any(kind == "holding" and at == BASE for kind, at in image.words) else max_gap
    coils = [bool(image.words.get(("coil", bit), 0)) for bit in range(16)]
    memory = [
        [SimData(0, values=coils, datatype=DataType.BITS)],
        [SimData(0, values=[False] * 16, datatype=DataType.BITS)],
        *(
            [SimData(at, values=words, datatype=DataType.REGISTERS) for at, words in blocks(image, function, gap)]
            or [SimData(0, datatype=DataType.INVALID)]
            for function in ("holding", "input")
        ),
    ]
    server = ModbusTcpServer([SimDevice(1, tuple(memory))], address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]
    bus = Bus(BusAddress("tcp", "127.0.0.1", port), timeout_s=2)
    try:
        yield bus
    finally:
        bus.close()
        await server.shutdown()


def close_to(expected):
    return expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize(("power", "last"), [(-1, False), (0, True)], ids=["first models", "last models"])
@pytest.mark.parametrize("name", MODBUS)
async def test_profile_reads_back_every_point_from_a_real_server(name, power, last):
    profile = LIBRARY.get(name)
    image = image_of(profile, power, last)
    async with served(image, profile.max_gap) as bus:
        told = {point.source.split(".", 1)[-1] if profile.sunspec else point.source: point.value
                for point in (await probe(bus, 1, profile)).points}  # fmt: skip
        reading = await read_device(bus, 1, await discover(bus, 1, profile), "site/x", 0)
    assert set(told) == set(image.expected)
    for point, value in image.expected.items():
        assert told[point] == close_to(value), point
    assert reading.bad == []
    assert reading.v == {name: close_to(value) for name, value in summed(profile, image).items()}


def summed(profile, image):
    """The quantities: points with the same name add up, texts stand."""
    values: dict[str, object] = {}
    for point in profile.points:
        if point.name is None or point.point not in image.expected:
            continue
        value = image.expected[point.point]
        if QUANTITIES[point.name].kind == "text":
            values[point.name] = str(value)
        else:
            values[point.name] = values.get(point.name, 0) + value
    return values


@pytest.mark.parametrize("name", [name for name in MODBUS if LIBRARY.get(name).sunspec])
def test_sunspec_profile_has_the_standards_offsets_types_and_scale_factors(name):
    """pysunspec2's own definitions are the oracle; the repeating block of model 160 is counted by hand above."""
    kinds = {"s16": {"int16", "sunssf"}, "u16": {"uint16", "enum16", "bitfield16"}, "f32": {"float32"}}
    kinds |= {"acc32": {"acc32"}, "u32": {"uint32", "acc32"}, "s32": {"int32"}, "u64": {"uint64", "acc64"}}
    for point in LIBRARY.get(name).points:
        for model in point.models:
            if model == 160:
                continue
            layout, at = {}, 0
            for one in definition(model)["points"]:
                layout[one["name"]] = (at, one)
                at += one["size"]
            offset, facts = layout[point.point.removesuffix(" (float)")]
            assert point.offset == offset, point.point
            assert point.type.startswith("str") or facts["type"] in kinds[point.type], point.point
            if "sf" in facts:
                assert point.scale_factor == layout[facts["sf"]][0], point.point


GOLDEN = [
    # profile, {(function, address): words}, {quantity: value}; typed from the vendors' tables, not from the profiles
    ("eastron-sdm120", {("input", 12): [0x43C8, 0x0000]}, {"power_w": 400}),
    ("eastron-sdm120", {("input", 72): [0x3F80, 0x0000]}, {"energy_import_wh": 1000}),
    ("carlo-gavazzi-em340", {("input", 40): [0xFC18, 0xFFFF]}, {"power_w": -100}),  # -1000 tenths, low word first
    ("carlo-gavazzi-em340", {("input", 52): [0x000C, 0x0001]}, {"energy_import_wh": 6_554_800}),
    ("schneider-iem3155", {("holding", 3059): [0x3FC0, 0x0000]}, {"power_w": 1500}),
    ("abb-b23-b24", {("holding", 23_316): [0xFFFF, 0xFC18]}, {"power_w": -10}),
    ("abb-b23-b24", {("holding", 20_480): [0, 0, 0, 123]}, {"energy_import_wh": 1230}),
    ("siemens-pac2200", {("input", 65): [0x4348, 0x0000]}, {"power_w": 200}),
    ("janitza-umg96", {("holding", 19_026): [0xC348, 0x0000]}, {"power_w": -200}),
    ("socomec-countis-e", {("holding", 50_536): [0xFFFF, 0xFFFF]}, {"power_w": -10}),
    ("huawei-meter", {("holding", 37_113): [0x0000, 0x03E8]}, {"power_w": -1000}),  # its positive is export
    ("huawei-luna2000", {("holding", 37_765): [0xFFFF, 0xFC18]}, {"power_w": 1000}),  # its negative is discharging
    ("huawei-sun2000", {("holding", 32_080): [0x7FFF, 0xFFFF]}, {"power_w": None}),
    ("sungrow-sh-meter", {("input", 13_009): [0x03E8, 0x0000]}, {"power_w": -1000}),
    ("sungrow-sh-battery", {("input", 5213): [0xFC18, 0xFFFF]}, {"power_w": -1000}),
    ("sungrow-sg", {("input", 5030): [0x1388, 0x0000]}, {"power_w": 5000}),
    ("goodwe-et-meter", {("holding", 36_025): [0x0000, 0x01F4]}, {"power_w": -500}),
    ("goodwe-et-battery", {("holding", 35_182): [0xFFFF, 0xFE0C]}, {"power_w": -500}),
    ("sma-tripower", {("holding", 30_775): [0x8000, 0x0000]}, {"power_w": None}),  # at night
    ("sma-tripower", {("holding", 30_513): [0, 0, 0x0001, 0x0000]}, {"energy_export_wh": 65_536}),
    ("sma-battery", {("holding", 31_393): [0, 700], ("holding", 31_395): [0, 0]}, {"power_w": -700}),
    ("sma-meter", {("holding", 30_865): [0, 0], ("holding", 30_867): [0, 900]}, {"power_w": -900}),
    ("kostal-plenticore-battery", {("holding", 582): [0xFF38]}, {"power_w": -200}),  # its negative is charging too
    ("kostal-plenticore-meter", {("holding", 252): [0x0000, 0x4348]}, {"power_w": 200}),
    ("victron-gx-battery", {("holding", 842): [300]}, {"power_w": -300}),
    ("victron-gx-grid", {("holding", 820): [100, 0xFF9C, 50]}, {"power_w": 50}),
    ("solaredge-battery", {("holding", 57_716): [0x0000, 0x4348]}, {"power_w": -200}),
    ("solaredge-battery", {("holding", 57_732): [0xFFFF, 0xFF7F]}, {"soc_pct": None}),  # -3.4e38: not implemented
    ("keba-p30", {("holding", 1020): [0x0070, 0x8D80]}, {"power_w": 7376.256}),
    ("keba-p30", {("holding", 1036): [0, 12_345]}, {"energy_import_wh": 1234.5}),
    ("abb-terra-ac", {("holding", 0x401C): [0, 7400]}, {"power_w": 7400}),
    ("phoenix-em-cp-pp-eth", {("input", 120): [0x02E4, 0x0000], ("input", 100): [67]}, {"power_w": 7400, "state": "C"}),
    ("heidelberg-energy-control", {("input", 14): [3680], ("input", 5): [7]}, {"power_w": 3680, "state": "C2"}),
    ("victron-evcs", {("holding", 5014): [1380]}, {"power_w": 1380}),
    ("byd-battery-box", {("holding", 0x0500): [64]}, {"soc_pct": 64}),
    ("waveshare-relay", {("coil", 0): [1]}, {"state": "on"}),
    ("waveshare-sg-ready", {("coil", 0): [0, 1]}, {"state": "boost"}),
]


@pytest.mark.parametrize(
    ("name", "registers", "quantities"), GOLDEN, ids=[f"{row[0]}-{n}" for n, row in enumerate(GOLDEN)]
)
async def test_profile_tells_a_vendors_registers_in_our_units_and_signs(name, registers, quantities):
    profile = LIBRARY.get(name)
    image = image_of(profile)
    for (function, address), words in registers.items():
        for at, word in enumerate(words, address):
            assert (function, at) in image.words
            image.words[function, at] = word
    async with served(image, profile.max_gap) as bus:
        reading = await read_device(bus, 1, await discover(bus, 1, profile), "site/x", 0)
    for quantity, value in quantities.items():
        assert reading.v.get(quantity) == (None if value is None else pytest.approx(value))
        assert (quantity in reading.bad) == (value is None)


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


def test_read_only_profiles_of_things_that_could_be_commanded_say_why():
    for name in LIBRARY.names():
        profile = LIBRARY.get(name)
        if profile.role in {"battery", "ev"} and not profile.controls:
            assert any("ead only" in trap or "control it through" in trap for trap in profile.traps), name


IDENTIFIED = [
    ("solaredge-inverter", {"Mn": "SolarEdge "}, ""),
    ("solaredge-meter", {"Mn": "SolarEdge "}, ""),
    ("huawei-sun2000", {"model": "SUN2000-10KTL-M1", "serial": "HV2140123456"}, "HV2140123456"),
    ("abb-b23-b24", {"Type designation": "B23 112-100", "Serial number": 1_234_567}, "1234567"),
    ("socomec-countis-e", {"Product 1": 0x0053_004F, "Product 2": 0x0043_004F}, ""),
    ("fronius-gen24-pv", {"Mn": "Fronius"}, ""),
    ("eastron-sdm120", {"Active power": 500.0}, ""),
]


@pytest.mark.parametrize(("name", "said", "serial"), IDENTIFIED)
async def test_scan_names_a_device_by_what_it_says_of_itself(name, said, serial):
    profile = LIBRARY.get(name)
    async with served(image_of(profile, said=said), profile.max_gap) as bus:
        (found,) = [found async for found in scan(bus, [1], LIBRARY)]
    assert found.profiles[:1] == (name,)
    assert found.serial == serial


def test_devices_page_is_what_the_library_says():
    """After a change of a profile: `python -m gateway.library_docs > docs/devices.md`."""
    page = Path(__file__).parents[2] / "docs" / "devices.md"
    assert page.read_text(encoding="utf-8") == render(LIBRARY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("identified_by: {Q: [1]}", "identity: unknown points Q"),
        ("identity: {serial: Q}", "identity: unknown points Q"),
        ("protocol: p1", "a p1 profile has none"),
    ],
)
def test_profile_wrong_identity_or_protocol_is_an_error(tmp_path, change, message):
    (tmp_path / "mine.yaml").write_text(
        "profile: mine\nmanufacturer: a\nmodel: b\nrole: grid\nsource: [x]\nverified: simulated\n"
        f"points:\n  - {{point: P, name: power_w, address: 1, type: u16}}\n{change}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=message):
        Library(tmp_path).get("mine")


@pytest.mark.parametrize(
    ("name", "power_w"), [("solaredge-meter", -100), ("solaredge-meter-2", -200), ("solaredge-meter-3", -300)]
)
async def test_meters_behind_each_other_on_one_map_are_told_apart(name, power_w):
    """Each has a common model and model 203 of its own, one after the other, as SolarEdge lists them."""
    image, address = Image(), BASE + 2
    image.put("holding", BASE, [0x5375, 0x6E53])
    for model, length, power in [(1, 65, 0), (103, 50, 0), (1, 65, 0), (203, 105, 100), (1, 65, 0), (203, 105, 200),
                                 (1, 65, 0), (203, 105, 300)]:  # fmt: skip
        image.put("holding", address, [model, length, *[0] * length])
        if model == 203:
            image.words[("holding", address + 18)] = power
        address += 2 + length
    image.put("holding", address, [0xFFFF, 0])
    async with served(image) as bus:
        reading = await read_device(bus, 1, await discover(bus, 1, LIBRARY.get(name)), "site/x", 0)
    assert reading.v["power_w"] == power_w


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


async def test_serial_number_with_more_digits_than_a_float_is_told_exactly():
    profile = LIBRARY.get("abb-terra-ac")
    async with served(image_of(profile, said={"serial": 1_234_567_890_123_456_789})) as bus:
        assert (await probe(bus, 1, profile)).serial == "1234567890123456789"
