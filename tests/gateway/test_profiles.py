"""Every profile of the library against a real Modbus server whose registers are packed here, by struct alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy.errors import ConfigError
from energy.quantities import QUANTITIES
from gateway.device import discover, read_device
from gateway.library_docs import render
from gateway.probe import look, probe
from gateway.profile import Library
from tests.gateway.images import BASE, Image, definition, image_of, pack, served

LIBRARY = Library()
MODBUS = [name for name in LIBRARY.names() if LIBRARY.get(name).protocol == "modbus"]
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
    "sunspec-inverter-701",
    "sunspec-storage-124",
    "janitza-b23-b24",
    "janitza-umg511",
    "janitza-umg604",
    "janitza-umg806",
    "phoenix-charx",
    "shelly-pro-3em",
    "shelly-pro-em",
    "shelly-pro-em-2",
    "solaredge-battery-2",
    "solaredge-meter-2",
    "solaredge-meter-3",
    "victron-evcs",
    "victron-gx-acload",
    "victron-gx-battery",
    "victron-gx-grid",
    "waveshare-relay",
}


def test_library_holds_the_devices_that_are_promised():
    assert set(LIBRARY.names()) >= DEVICES


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
    ("shelly-pro-3em", {("input", 1020): [0xA260, 0x4369]}, {"voltage_l1_v": 233.6343}),  # seen on a device
    ("janitza-umg604", {("holding", 9863): [0x447A, 0x0000]}, {"energy_export_wh": 1000}),
    (
        "phoenix-charx",
        {("holding", 1244): [0x0070, 0x8D80], ("holding", 1299): [0x4332]},
        {"power_w": 7376.256, "state": "C2"},
    ),
    (
        "victron-gx-evcs",
        {("holding", 3816): [0, 12_345], ("holding", 3824): [2]},
        {"energy_import_wh": 123_450, "state": "charging"},
    ),
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
    ("shelly-pro-3em", {"model": "PSME0-30ECEBU"}, ""),  # SPEM-003CEBEU as its registers have it
]


@pytest.mark.parametrize(("name", "said", "serial"), IDENTIFIED)
async def test_scan_names_a_device_by_what_it_says_of_itself(name, said, serial):
    profile = LIBRARY.get(name)
    async with served(image_of(profile, said=said), profile.max_gap) as bus:
        found = await look(bus, 1, LIBRARY)
    assert found.profiles[:1] == (name,)
    assert found.serial == serial


def test_example_of_the_devices_page_is_a_profile_that_loads(tmp_path):
    """The promise that a new meter is one file of YAML."""
    page = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
    (example,) = [part.split("```", 1)[0] for part in page.split("```yaml\n")[1:]]
    assert len(example.splitlines()) <= 16
    (tmp_path / "my-meter.yaml").write_text(example, encoding="utf-8")
    profile = Library(tmp_path).get("my-meter")
    assert {point.name for point in profile.points} == {"power_w", "voltage_l1_v", "energy_import_wh", "state"}


@pytest.mark.parametrize(("told", "order"), [(0, "little"), (1, "big"), (7, "little")])
async def test_kostal_s_word_order_is_the_one_that_its_register_5_tells(told, order):
    profile = LIBRARY.get("kostal-plenticore-meter")
    image = image_of(profile)
    image.words["holding", 5] = told
    for at, word in enumerate(pack("f32", -1234.5, order), 252):
        image.words["holding", at] = word
    async with served(image) as bus:
        reading = await read_device(bus, 1, await discover(bus, 1, profile), "site/x", 0)
    assert reading.v["power_w"] == -1234.5


async def test_word_order_that_the_device_refuses_to_tell_is_the_profile_s():
    profile = LIBRARY.get("kostal-plenticore-meter")
    image = image_of(profile)
    del image.words["holding", 5]
    async with served(image) as bus:
        layout = await discover(bus, 1, profile)
    assert layout.profile.word_order == "little"


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
        ("word_order_from: Q", "word_order_from: Q must be a point"),
        ("word_order_from: P", "word_order_from: P must be a point"),
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


async def test_serial_number_with_more_digits_than_a_float_is_told_exactly():
    profile = LIBRARY.get("abb-terra-ac")
    async with served(image_of(profile, said={"serial": 1_234_567_890_123_456_789})) as bus:
        assert (await probe(bus, 1, profile)).serial == "1234567890123456789"
