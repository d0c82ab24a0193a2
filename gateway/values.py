"""What registers say: words to a value in its unit and sign, one point at a time or a whole device by a plan. Pure.

`physical` is the plain statement of the rules. `Decoder` follows the same rules for all points of a device at once:
which word belongs where, which raw values mean nothing and how a value is scaled is worked out when it is made.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from energy.errors import DataError
from energy.quantities import QUANTITIES, Kind
from gateway.plan import Request, Span
from gateway.profile import Point
from gateway.registers import RawValue, RegisterType, WordOrder, decode, is_not_implemented, parse_type
from messaging.codec import Value

__all__ = ["Decoder", "Located", "physical", "scale_power"]

_DECIMALS: Final = 4  # finer than any meter's resolution; hides the noise of binary fractions
_SCALE_FACTOR_TYPE: Final = parse_type("s16")
_DIVISORS: Final = {10.0**-power: 10**power for power in range(1, _DECIMALS + 1)}
_FORMATS: Final = {
    ("unsigned", 1): "H",
    ("signed", 1): "h",
    ("unsigned", 2): "I",
    ("signed", 2): "i",
    ("unsigned", 4): "Q",
    ("signed", 4): "q",
    ("float", 2): "f",
    ("float", 4): "d",
}

_Raws = tuple[float, ...]
_Answers = Sequence[Sequence[int]]
_Step = Callable[[_Raws, _Answers], Value | None]


@dataclass(frozen=True, slots=True)
class Located:
    """A point at its place on this very device."""

    point: Point
    register_type: RegisterType
    word_order: WordOrder
    address: int
    scale_factor_address: int | None
    sunspec: bool
    label: str

    @property
    def span(self) -> Span:
        """The registers of the value and, with it, of its scale factor."""
        start, end = self.address, self.address + self.register_type.words
        if self.scale_factor_address is not None:
            start = min(start, self.scale_factor_address)
            end = max(end, self.scale_factor_address + 1)
        return Span(self.point.function, start, end)


def physical(place: Located, words: Sequence[int], factor_word: int | None = None) -> Value | None:
    """The value of a point in its unit and sign; None when the device has none to give."""
    raw = decode(words, place.register_type, place.word_order)
    if raw is None or raw in place.point.invalid:
        return None
    if place.sunspec and is_not_implemented(raw, place.register_type):
        return None
    if isinstance(raw, str):
        return raw
    if place.point.states:
        return place.point.states.get(int(raw), f"unknown {raw}")
    power = scale_power(factor_word)
    return None if power is None else _scaled(place.point, raw, power)


def scale_power(factor_word: int | None) -> int | None:
    """The power of ten in a scale-factor register, 0 without one; None when it is not implemented or no -10..10."""
    if factor_word is None:
        return 0
    power = decode([factor_word], _SCALE_FACTOR_TYPE)
    return power if isinstance(power, int) and -10 <= power <= 10 else None


def _scaled(point: Point, raw: RawValue, power: int) -> float | int | None:
    number = float(raw) * point.sign * point.scale
    number = number * 10**power if power >= 0 else number / 10**-power  # dividing rounds right: 2301 -> 230.1
    if point.range is not None and not point.range[0] <= number <= point.range[1]:
        return None
    if isinstance(raw, int) and point.scale == 1 and power == 0:
        return raw * point.sign  # exact: a serial number may have more digits than a float
    number = round(number, _DECIMALS)
    return int(number) if isinstance(raw, int) and number.is_integer() else number


def _sum(quantity: str, parts: list[Value | None]) -> Value | None:
    if any(part is None for part in parts):
        return None
    facts = QUANTITIES[quantity]
    if facts.kind is Kind.TEXT:
        return str(parts[0])
    total = sum(part for part in parts if isinstance(part, int | float))
    return round(total, _DECIMALS) if facts.low <= total <= facts.high else None


def _find(place: Located, requests: Sequence[Request]) -> Callable[[_Answers], Value | None]:
    """What gives the value of `place` from the answers to `requests`."""
    number, request = _covering(place, requests)
    start, end = place.address - request.address, place.address - request.address + place.register_type.words
    if place.scale_factor_address is None:
        return lambda answers: physical(place, answers[number][start:end])
    factor = place.scale_factor_address - request.address
    return lambda answers: physical(place, answers[number][start:end], answers[number][factor])


def _covering(place: Located, requests: Sequence[Request]) -> tuple[int, Request]:
    for number, request in enumerate(requests):
        if request.covers(place.span):
            return number, request
    raise AssertionError(f"no request covers {place.label}")


class Decoder:
    """Values of one layout from the answers to its requests, in one pass.

    The words of all plain numbers are put in their order and unpacked together; one small function each then scales
    and checks them. Texts, states, coils and sums, which are few, go by `physical`.
    """

    def __init__(self, requests: Sequence[Request], quantities: Mapping[str, Sequence[Located]]) -> None:
        self._requests = requests
        self._starts = [sum(request.count for request in requests[:n]) for n in range(len(requests))]
        self._count = sum(request.count for request in requests)
        self._order: list[int] = []
        self._formats: list[str] = []
        self._steps: list[tuple[str, _Step]] = [
            (quantity, self._step(quantity, places)) for quantity, places in quantities.items()
        ]
        self._pick = _picker(self._order)
        self._pack = struct.Struct(f">{len(self._order)}H").pack
        self._unpack = struct.Struct(">" + "".join(self._formats)).unpack

    def __call__(self, answers: _Answers) -> tuple[dict[str, Value], list[str]]:
        """Values by quantity, and the quantities that gave none. Raises DataError when answers are too short."""
        words = answers[0] if len(answers) == 1 else [word for answer in answers for word in answer]
        if len(words) != self._count:
            raise DataError(f"{self._count} registers were asked for, {len(words)} came")
        raws = self._unpack(self._pack(*self._pick(words)))
        values: dict[str, Value] = {}
        bad: list[str] = []
        for quantity, step in self._steps:
            value = step(raws, answers)
            if value is None:
                bad.append(quantity)
            else:
                values[quantity] = value
        return values, bad

    def _step(self, quantity: str, places: Sequence[Located]) -> _Step:
        place, facts = places[0], QUANTITIES[quantity]
        if len(places) > 1 or facts.kind is Kind.TEXT or place.point.states or _format(place) is None:
            parts = [_find(place, self._requests) for place in places]
            return lambda _, answers: _sum(quantity, [part(answers) for part in parts])
        index, factor = self._take(place)
        none = set(place.point.invalid)
        if place.sunspec and place.register_type.not_implemented is not None:
            none.add(place.register_type.not_implemented)
        return _number(place, index, factor, frozenset(none), facts.low, facts.high)

    def _take(self, place: Located) -> tuple[int, int | None]:
        """Where the raw value, and its scale factor, will be among the unpacked."""
        number, request = _covering(place, self._requests)
        base = self._starts[number] - request.address
        words = range(base + place.address, base + place.address + place.register_type.words)
        self._order += words if place.word_order == "big" else reversed(words)
        format_ = _format(place)
        assert format_ is not None
        self._formats.append(format_)
        index = len(self._formats) - 1
        if place.scale_factor_address is None:
            return index, None
        self._order.append(base + place.scale_factor_address)
        self._formats.append("h")
        return index, index + 1


def _picker(order: Sequence[int]) -> Callable[[Sequence[int]], Sequence[int]]:
    """What picks the words at these places."""
    if len(order) > 1:
        return itemgetter(*order)
    return lambda words: [words[index] for index in order]


def _format(place: Located) -> str | None:
    return _FORMATS.get((place.register_type.kind, place.register_type.words))


def _number(place: Located, index: int, factor: int | None, none: frozenset[int], low: float, high: float) -> _Step:
    """How one number is made of its raw value: the shortest way that gives what `physical` gives."""
    point, kind, words = place.point, place.register_type.kind, place.register_type.words
    if factor is None and point.range is None:
        if kind == "float":
            return _float(index, point.sign * point.scale, none, low, high)
        if point.scale == 1:
            return _integer(index, point.sign, none, low, high)
        if words <= 2 and point.scale in _DIVISORS:
            return _divided(index, point.sign * _DIVISORS[point.scale], none, low, high)

    def step(raws: _Raws, _: _Answers) -> Value | None:
        raw = raws[index]
        power = 0 if factor is None else raws[factor]
        if raw in none or not -10 <= power <= 10 or raw - raw != 0:  # the last: infinite, or no number
            return None
        value = _scaled(point, raw, int(power))
        return round(0 + value, _DECIMALS) if value is not None and low <= value <= high else None

    return step


def _integer(index: int, sign: int, none: frozenset[int], low: float, high: float) -> _Step:
    def step(raws: _Raws, _: _Answers) -> Value | None:
        raw = raws[index]
        value = raw * sign
        return value if raw not in none and low <= value <= high else None

    return step


def _divided(index: int, divisor: int, none: frozenset[int], low: float, high: float) -> _Step:
    """Up to 32 bits the quotient is the decimal number itself: nothing to round."""

    def step(raws: _Raws, _: _Answers) -> Value | None:
        raw = raws[index]
        value = raw / divisor
        if raw in none or not low <= value <= high:
            return None
        return int(value) if value.is_integer() else value

    return step


def _float(index: int, scale: float, none: frozenset[int], low: float, high: float) -> _Step:
    def step(raws: _Raws, _: _Answers) -> Value | None:
        raw = raws[index]
        value = round(raw * scale, _DECIMALS) + 0.0  # no negative zero
        return value if raw not in none and low <= value <= high else None  # what is no number is in no range

    return step
