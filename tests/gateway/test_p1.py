"""P1 telegrams: framing, CRC, values, against dsmr-parser as an independent reader. The telegrams are composed here."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.errors import DataError
from energy.quantities import QUANTITIES
from gateway.p1 import Shapes, Telegram, TelegramStream, crc16, parse

METER = "1SAG3100021605"
LINES = {
    "0-0:96.1.4": "50217",
    "0-0:96.1.1": METER.encode().hex().upper(),
    "0-0:1.0.0": "200512135409S",
    "1-0:1.8.1": "000000.034*kWh",
    "1-0:1.8.2": "000015.758*kWh",
    "1-0:2.8.1": "000000.000*kWh",
    "1-0:2.8.2": "000000.011*kWh",
    "1-0:1.4.0": "02.351*kW",
    "1-0:1.6.0": "200509134558S)(02.589*kW",
    "0-0:98.1.0": (
        "3)(1-0:1.6.0)(1-0:1.6.0"
        ")(200501000000S)(200423192538S)(03.695*kW"
        ")(200401000000S)(200305122139S)(05.980*kW"
        ")(200301000000S)(200210035421W)(04.318*kW"
    ),
    "0-0:96.14.0": "0001",
    "1-0:1.7.0": "00.000*kW",
    "1-0:2.7.0": "01.250*kW",
    "1-0:21.7.0": "00.100*kW",
    "1-0:22.7.0": "00.000*kW",
    "1-0:41.7.0": "00.000*kW",
    "1-0:42.7.0": "00.600*kW",
    "1-0:61.7.0": "00.000*kW",
    "1-0:62.7.0": "00.750*kW",
    "1-0:32.7.0": "234.7*V",
    "1-0:52.7.0": "235.1*V",
    "1-0:72.7.0": "233.9*V",
    "1-0:31.7.0": "000.52*A",
    "1-0:51.7.0": "002.61*A",
    "1-0:71.7.0": "003.20*A",
    "0-0:96.3.10": "1",
    "0-0:17.0.0": "999.9*kW",
    "1-0:31.4.0": "999*A",
    "0-0:96.13.0": "",
    "0-1:24.1.0": "003",
    "0-1:96.1.1": b"7FLO2119033733".hex().upper(),
    "0-1:24.4.0": "1",
    "0-1:24.2.3": "200512134558S)(00112.384*m3",
    "0-2:24.1.0": "007",
    "0-2:96.1.1": b"3WTR0012374915".hex().upper(),
    "0-2:24.2.1": "200512134558S)(00872.234*m3",
}


def compose(changes=(), *, ident="/ABC5\\meter of a test", crc=None) -> bytes:
    """A telegram of LINES with `changes`; None takes a line out."""
    lines = {**LINES, **dict(changes)}
    text = ident + "\r\n\r\n" + "".join(f"{obis}({value})\r\n" for obis, value in lines.items() if value is not None)
    content = (text + "!").encode("ascii")
    return content + (f"{slow_crc(content):04X}" if crc is None else crc).encode() + b"\r\n"


def slow_crc(data: bytes) -> int:
    """The CRC bit by bit as its polynomial is written, MSB first on mirrored bytes: another way than the gateway's."""
    crc = 0
    for byte in data:
        crc ^= int(f"{byte:08b}"[::-1], 2) << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x8005 if crc & 0x8000 else 0)) & 0xFFFF
    return int(f"{crc:016b}"[::-1], 2)


def read(changes=()) -> Telegram:
    (telegram,) = TelegramStream().feed(compose(changes))
    return parse(telegram)


def ms(*local: int, hours: int) -> int:
    """Milliseconds of a local time that is `hours` ahead of UTC."""
    zone = dt.timezone(dt.timedelta(hours=hours))
    return round(dt.datetime(*local, tzinfo=zone).timestamp() * 1000)


def test_crc16_check_value_of_the_catalogue():
    assert crc16(b"123456789") == 0xBB3D


@given(st.binary(max_size=300))
def test_crc16_agrees_with_the_polynomial_bit_by_bit(data):
    assert crc16(data) == slow_crc(data)


def test_parse_every_quantity_in_our_units_and_signs():
    assert read().values == {
        "power_w": -1250,
        "power_l1_w": 100,
        "power_l2_w": -600,
        "power_l3_w": -750,
        "voltage_l1_v": 234.7,
        "voltage_l2_v": 235.1,
        "voltage_l3_v": 233.9,
        "current_l1_a": 0.52,
        "current_l2_a": 2.61,
        "current_l3_a": 3.2,
        "energy_import_wh": 15_792,
        "energy_export_wh": 11,
        "quarter_demand_w": 2351,
        "month_peak_w": 2589.0,
        "gas_m3": 112.384,
        "water_m3": 872.234,
        "state": "day",
    }
    assert set(read().values) <= set(QUANTITIES)


def test_parse_meter_and_times_summer_and_winter():
    telegram = read()
    assert (telegram.meter, telegram.version) == (METER, "50217")
    assert telegram.meter_time_ms == ms(2020, 5, 12, 13, 54, 9, hours=2)
    assert read({"0-0:1.0.0": "201212135409W"}).meter_time_ms == ms(2020, 12, 12, 13, 54, 9, hours=1)


def test_parse_flag_decides_the_doubled_hour_of_october():
    assert read({"0-0:1.0.0": "201025023000S"}).meter_time_ms == ms(2020, 10, 25, 2, 30, hours=2)
    assert read({"0-0:1.0.0": "201025023000W"}).meter_time_ms == ms(2020, 10, 25, 2, 30, hours=1)


def test_parse_history_takes_local_time_where_the_summer_flag_is_wrong():
    first, march, february = read().peaks
    assert (first.at_ms, first.power_w) == (ms(2020, 4, 23, 19, 25, 38, hours=2), 3695.0)
    assert (march.at_ms, march.power_w) == (ms(2020, 3, 5, 12, 21, 39, hours=1), 5980.0)
    assert (february.at_ms, february.power_w) == (ms(2020, 2, 10, 3, 54, 21, hours=1), 4318.0)


@pytest.mark.parametrize("nothing", ["0", "00)(1-0:1.6.0)(1-0:1.6.0)()(", ""])
def test_parse_history_of_a_new_meter_is_empty(nothing):
    assert read({"0-0:98.1.0": nothing}).peaks == ()


def test_parse_month_without_a_peak_yet_has_none():
    telegram = read({"1-0:1.6.0": "632525252525W)(00.000*kW"})
    assert telegram.month_peak.at_ms is None
    assert "month_peak_w" not in telegram.values


@pytest.mark.parametrize(("tariff", "state"), [("0001", "day"), ("0002", "night"), ("0003", "tariff 0003")])
def test_parse_belgian_tariff_one_is_day(tariff, state):
    assert read({"0-0:96.14.0": tariff}).values["state"] == state


def test_parse_gas_on_another_channel_and_a_meter_not_heard_yet():
    swapped = read({"0-1:24.1.0": "007", "0-1:24.2.3": None, "0-1:24.2.1": "200512134558S)(00001.500*m3",
                    "0-2:24.1.0": "003", "0-2:24.2.1": None, "0-2:24.2.3": "200512134558S)(00002.250*m3"})  # fmt: skip
    assert (swapped.values["gas_m3"], swapped.values["water_m3"]) == (2.25, 1.5)
    unheard = read({"0-1:24.2.3": "632525252525W)(00000.000*m3"})
    assert "gas_m3" not in unheard.values


def test_parse_absent_lines_give_no_values_and_no_export_counts_nothing():
    values = read({"1-0:41.7.0": None, "1-0:42.7.0": None, "1-0:2.7.0": None, "1-0:1.7.0": "00.500*kW"}).values
    assert "power_l2_w" not in values
    assert values["power_w"] == 500


def test_parse_agrees_with_dsmr_parser():
    told = TelegramParser(telegram_specifications.BELGIUM_FLUVIUS).parse(compose().decode())
    telegram = read()
    values = telegram.values
    assert telegram.meter_time_ms == round(told.P1_MESSAGE_TIMESTAMP.value.timestamp() * 1000)
    watts = 1000 * float(told.CURRENT_ELECTRICITY_USAGE.value - told.CURRENT_ELECTRICITY_DELIVERY.value)
    assert values["power_w"] == watts
    imported = told.ELECTRICITY_USED_TARIFF_1.value + told.ELECTRICITY_USED_TARIFF_2.value
    exported = told.ELECTRICITY_DELIVERED_TARIFF_1.value + told.ELECTRICITY_DELIVERED_TARIFF_2.value
    assert (values["energy_import_wh"], values["energy_export_wh"]) == (1000 * imported, 1000 * exported)
    assert values["voltage_l1_v"] == float(told.INSTANTANEOUS_VOLTAGE_L1.value)
    assert values["current_l3_a"] == float(told.INSTANTANEOUS_CURRENT_L3.value)
    assert values["power_l3_w"] == -1000 * float(told.INSTANTANEOUS_ACTIVE_POWER_L3_NEGATIVE.value)
    assert values["quarter_demand_w"] == 1000 * float(told.BELGIUM_CURRENT_AVERAGE_DEMAND.value)
    peak = told.BELGIUM_MAXIMUM_DEMAND_MONTH
    assert telegram.month_peak.at_ms == round(peak.datetime.timestamp() * 1000)
    assert telegram.month_peak.power_w == 1000 * float(peak.value)
    listed = [
        (round(one.occurred.timestamp() * 1000), 1000 * float(one.value))
        for one in told.BELGIUM_MAXIMUM_DEMAND_13_MONTHS
    ]
    assert [(one.at_ms, one.power_w) for one in telegram.peaks] == listed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"1-0:1.7.0": "0x.000*kW"}, "line 14, 1-0:1.7.0: '0x.000*kW' is no number of kW"),
        ({"1-0:32.7.0": "234.7*kV"}, "1-0:32.7.0"),
        ({"1-0:32.7.0": "-34.7*V"}, "1-0:32.7.0"),
        ({"0-0:1.0.0": "201312135409S"}, "line 5, 0-0:1.0.0: '201312135409S' is no instant"),
        ({"1-0:1.6.0": "02.589*kW"}, "1-0:1.6.0: must have an instant"),
        ({"0-0:98.1.0": "3)(1-0:1.6.0)(1-0:1.6.0)(200501000000S"}, "0-0:98.1.0: says 3 entries"),
        ({"0-1:24.2.3": "200512134558S)(*m3"}, "0-1:24.2.3"),
        ({"1-0:1.8.1": "000000.034*kWh)(("}, "line 6, 1-0:1.8.1: '1-0:1.8.1"),
        ({"1-0:1.8.1": "000000.034*kWh)\r\n1-0:1.8.2(000001.000*kWh"}, "line 8, 1-0:1.8.2: says something else on line 7"),
        ({"1-0:1.7.0": "999999999999.000*kW"}, "is not possible for power_w"),
    ],
)  # fmt: skip
def test_parse_wrong_line_is_named_with_its_obis(changes, message):
    with pytest.raises(DataError) as caught:
        read(changes)
    assert message in str(caught.value)


def test_parse_lines_it_does_not_know_may_have_any_shape():
    odd = {"0-0:96.1.9": "a)\r\n1-0:9.9.9.255(1)\r\n0-0:96.13.1(b", "0-0:17.0.0": "()("}
    assert read(odd).values == read().values


def test_parse_line_that_is_repeated_word_for_word_counts_once():
    assert read({"0-0:96.13.0": ")\r\n1-0:1.8.1(000000.034*kWh"}).values["energy_import_wh"] == 15_792


def test_parse_wrong_crc_tells_both():
    with pytest.raises(DataError, match="has CRC 0000, its content"):
        parse(compose(crc="0000").strip())


@pytest.mark.parametrize("not_a_telegram", [b"", b"/", b"!0000", b"/!", b"/x!00G0"])
def test_parse_no_telegram_is_an_error(not_a_telegram):
    with pytest.raises(DataError):
        parse(not_a_telegram)


GOOD = compose()
OTHER = compose({"1-0:1.7.0": "05.000*kW"})


def good_ones(stream: TelegramStream, data: bytes, chunk: int) -> list[Telegram]:
    found = []
    for start in range(0, len(data), chunk):
        for telegram in stream.feed(data[start : start + chunk]):
            try:
                found.append(parse(telegram))
            except DataError:
                continue
    return found


@pytest.mark.parametrize("chunk", [1, 7, 512, 100_000])
@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\x00\xff\xfe garbage /// ! !! !12 \r\n",
        GOOD[: len(GOOD) // 2],
        GOOD[len(GOOD) // 2 :],
        GOOD[:300] + OTHER[200:500],
        GOOD.replace(b"1", b"7"),
        b"/" * 5000,
        b"!" * 5000,
    ],
    ids=["none", "bytes", "cut end", "cut begin", "interleaved", "damaged", "slashes", "ends"],
)
def test_stream_finds_the_good_telegrams_around_noise(noise, chunk):
    found = good_ones(TelegramStream(), noise + GOOD + noise + OTHER, chunk)
    assert [one.values["power_w"] for one in found] == [-1250, 3750]


def test_stream_keeps_a_bounded_buffer_and_still_finds_what_follows():
    stream = TelegramStream()
    assert good_ones(stream, b"x" * 1_000_000, 5000) == []
    assert len(stream._buffer) <= 32 * 1024
    assert len(good_ones(stream, GOOD, 100)) == 1


NOISE = st.one_of(
    st.binary(max_size=200),
    st.text("/!()*:.-0123456789kWhSVAm3\r\n", max_size=200).map(str.encode),
    st.builds(lambda at, size: GOOD[at : at + size], st.integers(0, len(GOOD)), st.integers(0, 400)),
)


@given(st.lists(NOISE, max_size=6), st.integers(1, 700))
@settings(max_examples=150, deadline=None)
def test_stream_and_parse_survive_anything_and_find_the_good_one_after_it(noises, chunk):
    found = good_ones(TelegramStream(), b"".join(noises) + GOOD, chunk)
    assert found[-1] == parse(GOOD.strip())


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_parse_of_a_wrong_line_with_a_right_crc_raises_nothing_but_data_errors(data):
    obis = data.draw(st.sampled_from(sorted(LINES)))
    value = data.draw(st.one_of(
        st.text("()*:.-0123456789kWhSVAm3\r\n", max_size=40),
        st.text(st.characters(codec="ascii"), max_size=20),
        st.from_regex(r"\A[0-9]{12}[SW](\)\([0-9]{1,6}\.[0-9]{3}\*(kW|m3))?\Z"),
    ))  # fmt: skip
    content = compose({obis: value})
    try:
        telegram = parse(content.strip())
    except DataError:
        return
    assert all(
        QUANTITIES[name].low <= v <= QUANTITIES[name].high for name, v in telegram.values.items() if name != "state"
    )


OLD = (
    b"/ISk5\\2ME382-1003\r\n\r\n"
    b"0-0:96.1.1(4B414C37303035303739363336333132)\r\n"
    b"1-0:1.8.1(00001.001*kWh)\r\n1-0:1.8.2(00002.500*kWh)\r\n1-0:2.8.1(00000.250*kWh)\r\n1-0:2.8.2(00000.000*kWh)\r\n"
    b"0-0:96.14.0(0001)\r\n1-0:1.7.0(0001.01*kW)\r\n1-0:2.7.0(0000.00*kW)\r\n"
    b"0-0:17.0.0(0999.00*kW)\r\n0-0:96.3.10(1)\r\n0-0:96.13.1()\r\n0-0:96.13.0()\r\n"
    b"0-1:24.1.0(3)\r\n0-1:96.1.0(3238313031353431303031333733353132)\r\n"
    b"0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.0)(m3)\r\n(00001.001)\r\n0-1:24.4.0(1)\r\n!\r\n"
)  # as DSMR 2.2 lays it out


def seven_even(data: bytes) -> bytes:
    """Seven bits with even parity, as they look on a line of eight bits."""
    return bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in data)


def test_parse_tells_when_gas_and_water_were_counted():
    assert read().counted_ms == dict.fromkeys(("gas_m3", "water_m3"), ms(2020, 5, 12, 13, 45, 58, hours=2))
    winter = read({"0-1:24.2.3": "201025023000W)(00112.384*m3"})
    assert winter.counted_ms["gas_m3"] == ms(2020, 10, 25, 2, 30, hours=1)
    assert "gas_m3" not in read({"0-1:24.2.3": "00112.384*m3"}).counted_ms


@pytest.mark.parametrize("kind", ["004", "012"])
@pytest.mark.parametrize(("text", "heat_wh"), [("00036.000*GJ", 10_000_000), ("00012.345*kWh", 12_345)])
def test_parse_heat_in_the_units_heat_meters_have(kind, text, heat_wh):
    telegram = read({"0-3:24.1.0": kind, "0-3:24.2.1": f"201212130000W)({text}"})
    assert telegram.values["heat_wh"] == heat_wh
    assert telegram.counted_ms["heat_wh"] == ms(2020, 12, 12, 13, hours=1)


def test_parse_heat_in_another_unit_names_those_known():
    with pytest.raises(DataError, match=r"0-3:24.2.1: '00036\.000\*m3' is no number of GJ or MJ"):
        read({"0-3:24.1.0": "004", "0-3:24.2.1": "201212130000W)(00036.000*m3"})


def test_parse_3x230_v_without_neutral_gives_two_lines_and_the_whole_power():
    delta = {"1-0:1.7.0": "01.700*kW", "1-0:2.7.0": "00.000*kW", "1-0:21.7.0": "01.900*kW", "1-0:42.7.0": "00.000*kW",
             "1-0:61.7.0": "00.000*kW", "1-0:62.7.0": "00.200*kW", "1-0:52.7.0": "000.0*V", "1-0:51.7.0": "000.00*A"}  # fmt: skip
    values = read(delta).values
    assert values["power_w"] == values["power_l1_w"] + values["power_l3_w"] == 1700
    assert values["power_l3_w"] == -200
    assert (values["voltage_l2_v"], values["current_l2_a"]) == (0.0, 0.0)
    left_out = read(delta | dict.fromkeys(("1-0:52.7.0", "1-0:51.7.0", "1-0:41.7.0", "1-0:42.7.0"))).values
    assert not {"voltage_l2_v", "current_l2_a", "power_l2_w"} & left_out.keys()


def test_stream_and_parse_an_old_meter_without_crc_as_dsmr_parser_does():
    (telegram,) = TelegramStream(parity=True).feed(seven_even(OLD))
    ours = parse(telegram)
    told = TelegramParser(telegram_specifications.V2_2).parse(OLD.decode())
    assert ours.values["energy_import_wh"] == 1000 * float(
        told.ELECTRICITY_USED_TARIFF_1.value + told.ELECTRICITY_USED_TARIFF_2.value
    )
    assert ours.values["energy_export_wh"] == 1000 * float(told.ELECTRICITY_DELIVERED_TARIFF_1.value)
    assert ours.values["power_w"] == 1000 * float(told.CURRENT_ELECTRICITY_USAGE.value)
    gas = told.MBUS_DEVICES[0].GAS_METER_READING
    assert ours.values["gas_m3"] == float(gas.value)
    assert ours.counted_ms["gas_m3"] == round(gas.datetime.timestamp() * 1000)
    assert ours.values["state"] == "tariff 0001"  # of a Dutch meter it would be the night's


@given(at=st.integers(0, len(OLD) - 6), bit=st.integers(0, 7))
def test_old_meter_with_one_wrong_bit_gives_no_telegram(at, bit):
    data = bytearray(seven_even(OLD))
    data[at] ^= 1 << bit
    for telegram in TelegramStream(parity=True).feed(bytes(data)):
        with pytest.raises(DataError):
            parse(telegram)


@given(st.integers(0, len(OLD)), st.integers(0, len(OLD)))
def test_old_meter_cut_anywhere_gives_its_own_values_or_an_error(first, second):
    """Bytes lost on the way, then whole telegrams: nothing is ever read from halves of two, and the third is believed."""
    whole = parse(OLD.rstrip())
    start, end = sorted((first, second))
    shapes, read = Shapes(), []
    for telegram in TelegramStream().feed(OLD + OLD[:start] + OLD[end:] + 3 * OLD):
        with contextlib.suppress(DataError):
            shapes.check(telegram)
            read.append(parse(telegram).values)
    assert read
    assert all(values == whole.values for values in read)


def test_telegram_with_a_crc_is_believed_at_once():
    Shapes().check(compose().rstrip())


def test_newer_meter_whose_crc_was_lost_is_refused():
    without = compose().rstrip()[:-4]
    with pytest.raises(DataError, match="has no CRC, and a meter of its version sends one"):
        parse(without)


def test_stream_of_another_telegram_keeps_the_old_meters_apart():
    telegrams = TelegramStream().feed(b"0)\r\n!\r\n" + OLD + OLD)
    assert [parse(telegram).values["power_w"] for telegram in telegrams] == [1010, 1010]
