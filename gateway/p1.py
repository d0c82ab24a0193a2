"""P1 telegrams of Belgian meters (e-MUCS P1, DSMR 5): found in a stream of bytes, checked, told as our quantities. Pure.

A telegram is `/ident`, data lines, `!` and its CRC16 as four hexadecimal digits; one comes every second. Sources:
Netbeheer Nederland "P1 Companion Standard" 5.0.2, e-MUCS P1 1.7.1. In Belgium tariff 1 is day and 2 is night, the
reverse of the Netherlands, and gas (24.2.3) is not converted to normal temperature. Gas, water and heat come from other
meters every five minutes or every hour, with the time at which they were counted.

Meters before version 4 (DSMR 2.2 and 3.0) send seven bits with even parity and no CRC: there the parity of each byte and
the completeness of the telegram are all the protection there is.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from energy.errors import DataError
from energy.quantities import QUANTITIES
from messaging.codec import Value

__all__ = ["ALSO", "FED_BY", "MonthPeak", "Shapes", "Telegram", "TelegramStream", "crc16", "parse", "seven_bits"]

FED_BY: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    "power_w": (("1-0:1.7.0", 1), ("1-0:2.7.0", -1)),
    "power_l1_w": (("1-0:21.7.0", 1), ("1-0:22.7.0", -1)),
    "power_l2_w": (("1-0:41.7.0", 1), ("1-0:42.7.0", -1)),
    "power_l3_w": (("1-0:61.7.0", 1), ("1-0:62.7.0", -1)),
    "voltage_l1_v": (("1-0:32.7.0", 1),),
    "voltage_l2_v": (("1-0:52.7.0", 1),),
    "voltage_l3_v": (("1-0:72.7.0", 1),),
    "current_l1_a": (("1-0:31.7.0", 1),),
    "current_l2_a": (("1-0:51.7.0", 1),),
    "current_l3_a": (("1-0:71.7.0", 1),),
    "energy_import_wh": (("1-0:1.8.1", 1), ("1-0:1.8.2", 1)),
    "energy_export_wh": (("1-0:2.8.1", 1), ("1-0:2.8.2", 1)),
    "quarter_demand_w": (("1-0:1.4.0", 1),),
}
"""Each quantity with the lines that add up to it, and their signs."""

ALSO: Final[dict[str, str]] = {
    "month_peak_w": "1-0:1.6.0",
    "gas_m3": "0-n:24.2.3",
    "water_m3": "0-n:24.2.1",
    "heat_wh": "0-n:24.2.1",
    "state": "0-0:96.14.0",
}
"""What else a telegram tells, each with its line."""

_TELEGRAM_UNITS: Final = {"W": ("kW", 1000), "Wh": ("kWh", 1000), "V": ("V", 1), "A": ("A", 1)}
_TARIFFS: Final = {"0001": "day", "0002": "night"}
_VERSION: Final = "0-0:96.1.4"
_METER: Final = "0-0:96.1.1"
_METER_TIME: Final = "0-0:1.0.0"
_TARIFF: Final = "0-0:96.14.0"
_MONTH_PEAK: Final = "1-0:1.6.0"
_HISTORY: Final = "0-0:98.1.0"
_HISTORY_HEAD: Final = 3  # number of entries and the two names of their columns
_MBUS_CHANNELS: Final = range(1, 5)
_OLD_COUNTER: Final = "24.3.0"  # before version 4: time, status, ..., unit, and the number on a line of its own
_CUBIC_METRES: Final = {"m3": 1.0}
_HEAT: Final = {"GJ": 1e9 / 3600, "MJ": 1e6 / 3600, "MWh": 1e6, "kWh": 1e3, "Wh": 1.0}
_MBUS_COUNTERS: Final = {  # by the type of device of EN 13757-3
    3: ("gas_m3", ("24.2.3", "24.2.1", _OLD_COUNTER), _CUBIC_METRES),
    4: ("heat_wh", ("24.2.1", _OLD_COUNTER), _HEAT),
    7: ("water_m3", ("24.2.1", _OLD_COUNTER), _CUBIC_METRES),
    12: ("heat_wh", ("24.2.1", _OLD_COUNTER), _HEAT),  # the same, measured at the inlet
}
_MBUS_CODES: Final = ("24.1.0", "24.2.1", "24.2.3", _OLD_COUNTER)
_NEW_VERSION: Final = "1-3:0.2.8"  # of Dutch meters from version 4
_WITHOUT_CRC: Final = ("1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2", "1-0:1.7.0", "1-0:2.7.0")
_KNOWN: Final = {
    *(obis for parts in FED_BY.values() for obis, _ in parts),
    *(f"0-{channel}:{code}" for channel in _MBUS_CHANNELS for code in _MBUS_CODES),
    *(_VERSION, _NEW_VERSION, _METER, _METER_TIME, _TARIFF, _MONTH_PEAK, _HISTORY),
}
_CABLE: Final = "look at the cable: too long, or not shielded"
_NO_TIME: Final = "632525252525"  # all bytes 0xFF: there is no such instant yet
_ZONE: Final = ZoneInfo("Europe/Brussels")

_LONGEST: Final = 16 * 1024  # a telegram with 13 months of peaks has 2 kB
_MOST_STARTS: Final = 8  # tried for one end; bounds the work that garbage can cause
_END: Final = re.compile(rb"!(?:[0-9A-Fa-f]{4}|(?=\r?\n))")
_TEXT: Final = re.compile(rb"[\r\n\x20-\x7e]*")
_CONTINUED: Final = re.compile(r"\r?\n\(")
_OLD_FIELDS: Final = 7
_FIELDS: Final = re.compile(r"(?:\([^()]*\))+")
_NUMBER: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\*(\w+)")
_INSTANT: Final = re.compile(r"(\d{12})([SW])")
_DECIMALS: Final = 4


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)  # noqa: PLW2901 - the register of the CRC
        table.append(value)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc16(data: bytes) -> int:
    """CRC16 with polynomial 0x8005 reflected, initial value 0, no final exclusive or."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _seven_bits_table() -> bytes:
    return bytes(byte & 0x7F if byte.bit_count() % 2 == 0 else 0 for byte in range(256))


_SEVEN_BITS: Final = _seven_bits_table()


def seven_bits(data: bytes) -> bytes:
    """Bytes of seven bits with even parity as a line with eight bits gives them; NUL for one whose parity is wrong."""
    return data.translate(_SEVEN_BITS)


class TelegramStream:
    """Cuts a stream of bytes into telegrams; what is between them is dropped. `parity`: of an old meter's seven bits."""

    def __init__(self, *, parity: bool = False) -> None:
        self._buffer = bytearray()
        self._parity = parity

    @property
    def unread(self) -> bytes:
        """What came last and is no whole telegram."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The telegrams that `data` completes, each from `/` to its CRC; one with a wrong CRC too, `parse` refuses it."""
        self._buffer += seven_bits(data) if self._parity else data
        telegrams = []
        while (end := _END.search(self._buffer)) is not None:
            part = bytes(self._buffer[: end.end()])
            del self._buffer[: end.end()]
            if (telegram := _best_start(part)) is not None:
                telegrams.append(telegram)
        if len(self._buffer) > _LONGEST:
            del self._buffer[: -_LONGEST // 2]
        return telegrams


def _best_start(part: bytes) -> bytes | None:
    """From the `/` that fits the CRC: a telegram that was cut leaves its own before. None without any."""
    starts: list[bytes] = []
    position = part.rfind(b"/")
    while position >= 0 and len(starts) < _MOST_STARTS and len(part) - position <= _LONGEST:
        candidate = part[position:]
        if _crc_fits(candidate):
            return candidate
        starts.append(candidate)
        position = part.rfind(b"/", 0, position)
    if not part.endswith(b"!"):
        return starts[-1] if starts else None
    return starts[0] if starts else None  # nothing tells which: the shortest, `parse` wants it complete


def _crc_fits(telegram: bytes) -> bool:
    return not telegram.endswith(b"!") and crc16(telegram[:-4]) == int(telegram[-4:], 16)


class Shapes:
    """Tells whether a telegram without a CRC is whole: its meter sends the same lines, all of fixed length, every time.

    Where bytes were lost a line is missing or another length, so two halves look like nothing that came before.
    """

    def __init__(self) -> None:
        self._last: tuple[tuple[bytes, int], ...] | None = None

    def check(self, telegram: bytes) -> None:
        """Raises DataError unless the telegram has a CRC or looks like the one before it."""
        if not telegram.endswith(b"!"):
            return
        before, self._last = self._last, tuple((line.partition(b"(")[0], len(line)) for line in telegram.splitlines())
        if before != self._last:
            raise DataError(
                "has no CRC and does not look like the one before it", field="telegram", hint="wait for the next two"
            )


@dataclass(frozen=True, slots=True)
class MonthPeak:
    """The highest quarter-hour of a month: when (ms UTC; None: there was none) and its mean power, W."""

    at_ms: int | None
    power_w: float


@dataclass(frozen=True, slots=True)
class Telegram:
    """What one telegram says. `peaks`: of the months before, oldest first as the meter lists them.

    `counted_ms`: for gas, water and heat when they were counted (ms UTC), where the telegram says so.
    """

    meter: str
    version: str
    meter_time_ms: int | None
    values: dict[str, Value]
    counted_ms: dict[str, int]
    month_peak: MonthPeak | None
    peaks: tuple[MonthPeak, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    obis: str
    fields: tuple[str, ...]

    def error(self, message: str) -> DataError:
        return DataError(message, field=f"line {self.number}, {self.obis}")

    def last(self) -> str:
        return self.fields[-1]


def parse(telegram: bytes) -> Telegram:
    """Checks and reads one telegram. Raises DataError that names the line and its OBIS code.

    A quantity whose lines are absent is absent.
    """
    lines = _checked(telegram)
    values: dict[str, Value] = {}
    for quantity, parts in FED_BY.items():
        if (number := _sum(lines, quantity, parts)) is not None:
            values[quantity] = number
    if (tariff := lines.get(_TARIFF)) is not None:
        names = _TARIFFS if _VERSION in lines else {}  # a Dutch meter numbers them the other way round
        values["state"] = names.get(tariff.last(), f"tariff {tariff.last()}")
    counted_ms: dict[str, int] = {}
    for quantity, (number, at_ms) in _mbus(lines).items():
        values[quantity] = number
        if at_ms is not None:
            counted_ms[quantity] = at_ms
    month_peak = _month_peak(lines.get(_MONTH_PEAK))
    if month_peak is not None and month_peak.at_ms is not None:
        values["month_peak_w"] = month_peak.power_w
    meter_time = lines.get(_METER_TIME)
    return Telegram(
        meter=_hex_text(lines.get(_METER)),
        version=lines[_VERSION].last() if _VERSION in lines else "",
        meter_time_ms=None if meter_time is None else _instant(meter_time, meter_time.last()),
        values=values,
        counted_ms=counted_ms,
        month_peak=month_peak,
        peaks=_history(lines.get(_HISTORY)),
    )


def _checked(telegram: bytes) -> dict[str, _Line]:
    """The lines of a telegram that is whole: by its CRC or, of an old meter, by what it must have."""
    content, mark, crc = telegram.rpartition(b"!")
    if not telegram.startswith(b"/") or not (_END.fullmatch(mark + crc) or (mark and not crc)):
        raise DataError("a telegram begins with / and ends with ! and its CRC", field="telegram")
    if not crc:
        return _without_crc(content)
    if not _crc_fits(telegram):
        raise DataError(
            f"has CRC {crc.decode()}, its content {crc16(telegram[:-4]):04X}", field="telegram", hint=_CABLE
        )
    return _lines(content.decode("ascii", errors="replace"))


def _without_crc(content: bytes) -> dict[str, _Line]:
    if not _TEXT.fullmatch(content):
        raise DataError("has damaged characters", field="telegram", hint=_CABLE)
    lines = _lines(content.decode("ascii"))
    if _VERSION in lines or _NEW_VERSION in lines:
        raise DataError("has no CRC, and a meter of its version sends one", field="telegram", hint=_CABLE)
    if missing := [obis for obis in _WITHOUT_CRC if obis not in lines]:
        raise DataError(f"has no CRC and lacks {', '.join(missing)}: cut on its way", field="telegram", hint=_CABLE)
    return lines


def _lines(text: str) -> dict[str, _Line]:
    """The lines we know by their codes; a meter may have any others, in any shape."""
    found: dict[str, _Line] = {}
    for number, line in enumerate(_CONTINUED.sub("(", text).splitlines()[1:], 2):
        obis, bracket, rest = line.strip().partition("(")
        if obis not in _KNOWN:
            continue
        one = _Line(number, obis, tuple(rest[:-1].split(")(")))
        if not _FIELDS.fullmatch(bracket + rest):
            raise one.error(f"{line[:40]!r} is no value")
        if found.setdefault(obis, one).fields != one.fields:
            raise one.error(f"says something else on line {found[obis].number}")
    return found


def _sum(lines: dict[str, _Line], quantity: str, parts: Sequence[tuple[str, int]]) -> Value | None:
    """Absent lines count nothing: a connection that cannot export has no line for it."""
    present = [(lines[obis], sign) for obis, sign in parts if obis in lines]
    if not present:
        return None
    unit, scale = _TELEGRAM_UNITS[QUANTITIES[quantity].unit]
    total = sum(sign * scale * _number(line, line.last(), unit) for line, sign in present)
    return _bounded(present[0][0], quantity, total)


def _bounded(line: _Line, quantity: str, value: float) -> Value:
    facts = QUANTITIES[quantity]
    if not facts.low <= value <= facts.high:
        raise line.error(f"{value:g} {facts.unit} is not possible for {quantity}")
    value = round(value, _DECIMALS)
    return int(value) if facts.unit in {"W", "Wh"} and value.is_integer() else value


def _number(line: _Line, text: str, unit: str) -> float:
    matched = _NUMBER.fullmatch(text)
    if matched is None or matched[2] != unit:
        raise line.error(f"{text!r} is no number of {unit}")
    return float(matched[1])


def _mbus(lines: dict[str, _Line]) -> dict[str, tuple[Value, int | None]]:
    """Gas, water and heat with when they were counted: of several meters of a kind the first channel's.

    A meter that was not heard yet gives nothing.
    """
    found: dict[str, tuple[Value, int | None]] = {}
    for channel in _MBUS_CHANNELS:
        kind = lines.get(f"0-{channel}:24.1.0")
        if kind is None or not kind.last().isdecimal() or int(kind.last()) not in _MBUS_COUNTERS:
            continue
        quantity, codes, units = _MBUS_COUNTERS[int(kind.last())]
        counters = [line for code in codes if (line := lines.get(f"0-{channel}:{code}")) is not None]
        if quantity in found or not counters or counters[0].fields[0].startswith(_NO_TIME):
            continue
        found[quantity] = _counter(counters[0], quantity, units)
    return found


def _counter(line: _Line, quantity: str, units: Mapping[str, float]) -> tuple[Value, int | None]:
    text, at_ms = line.last(), None
    if line.obis.endswith(_OLD_COUNTER):
        if len(line.fields) < _OLD_FIELDS:
            raise line.error("must have an instant, a unit and a number")
        text, at_ms = f"{text}*{line.fields[-2]}", _instant(line, f"{line.fields[0]}S")  # without a flag
    elif len(line.fields) > 1:
        at_ms = _instant(line, line.fields[0])
    unit = text.rpartition("*")[2]
    if unit not in units:
        raise line.error(f"{text!r} is no number of {' or '.join(units)}")
    return _bounded(line, quantity, units[unit] * _number(line, text, unit)), at_ms


def _month_peak(line: _Line | None) -> MonthPeak | None:
    if line is None:
        return None
    if len(line.fields) != 2:
        raise line.error("must have an instant and a power")
    return _peak(line, line.fields[0], line.fields[1])


def _history(line: _Line | None) -> tuple[MonthPeak, ...]:
    """Entries of three fields each: when captured, when the peak was, the peak."""
    if line is None or not line.fields[0].strip("0"):
        return ()
    count, entries = line.fields[0], line.fields[_HISTORY_HEAD:]
    if not count.isdecimal() or len(entries) != 3 * int(count):
        raise line.error(f"says {count} entries and has {len(entries)} fields instead of three for each")
    return tuple(_peak(line, entries[at + 1], entries[at + 2]) for at in range(0, len(entries), 3))


def _peak(line: _Line, instant: str, power: str) -> MonthPeak:
    power_w = float(_bounded(line, "month_peak_w", 1000 * _number(line, power, "kW")))
    return MonthPeak(_instant(line, instant), power_w)


def _instant(line: _Line, text: str) -> int | None:
    """Milliseconds UTC of `YYMMDDhhmmss` and S (summer) or W, local time; None where the meter has none.

    Meters were seen to give winter months of the history the summer flag: local time counts, and the flag decides
    only which of the two passes through the doubled hour of October is meant.
    """
    matched = _INSTANT.fullmatch(text)
    if matched is None:
        raise line.error(f"{text!r} is no instant")
    if matched[1] == _NO_TIME:
        return None
    try:
        local = dt.datetime.strptime(matched[1], "%y%m%d%H%M%S").replace(tzinfo=_ZONE, fold=matched[2] == "W")
    except ValueError as error:
        raise line.error(f"{text!r} is no instant") from error
    return round(local.timestamp() * 1000)


def _hex_text(line: _Line | None) -> str:
    """An identifier that stands there as hexadecimal digits of its characters."""
    if line is None:
        return ""
    try:
        return bytes.fromhex(line.last()).decode("ascii")
    except ValueError:
        return line.last()
