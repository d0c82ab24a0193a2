"""Register images of devices, packed by struct alone from what their profiles say, and a real Modbus server for them."""

from __future__ import annotations

import contextlib
import json
import struct
from importlib.resources import files

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from energy.quantities import QUANTITIES
from gateway.modbus import Bus, BusAddress

FORMATS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "f32": ">f", "f64": ">d"}
FORMATS |= {"acc32": ">I", "acc64": ">Q"}
BASE = 40_000
MAINS = {"frequency_hz": 50, "voltage_l1_v": 230}


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
