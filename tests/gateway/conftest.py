"""A small Modbus server of our own, framing included, so that its answers can be late, wrong or missing at will."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from gateway.modbus import BusAddress
from runtime.clock import Clock

FUNCTIONS = {1: "coil", 2: "discrete", 3: "holding", 4: "input", 15: "coil", 16: "holding"}


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS, bit by bit as the specification describes it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


@dataclass
class Unit:
    """One device: registers by function and address. An address that is not there is illegal."""

    registers: dict[tuple[str, int], int] = field(default_factory=dict)
    delay_s: float = 0.0
    silent: bool = False
    exceptions: list[int] = field(default_factory=list)
    writes: list[tuple[str, int, list[int]]] = field(default_factory=list)
    requests: list[tuple[int, int, int]] = field(default_factory=list)
    on_write: Callable[[str, int, list[int]], None] | None = None

    def put(self, function: str, address: int, words: list[int]) -> None:
        self.registers.update({(function, address + i): word for i, word in enumerate(words)})

    def words(self, function: str, address: int, count: int) -> list[int]:
        return [self.registers[function, address + i] for i in range(count)]


class ModbusServer:
    """Serves units over Modbus TCP, or RTU framing over TCP."""

    def __init__(self, *, rtu: bool) -> None:
        self.rtu = rtu
        self.units: dict[int, Unit] = {}
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port or self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.close()
            await self._server.wait_closed()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> BusAddress:
        return BusAddress("rtutcp" if self.rtu else "tcp", "127.0.0.1", self.port)

    @property
    def url(self) -> str:
        return f"{self.address.scheme}://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                head = b"" if self.rtu else await reader.readexactly(6)
                start = await reader.readexactly(6)  # unit, function, address, count
                body = start + (await self._rest(reader, start))
                if self.rtu:
                    crc = await reader.readexactly(2)
                    assert crc == struct.pack("<H", crc16(body))
                task = asyncio.create_task(self._answer(head, body))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _rest(self, reader: asyncio.StreamReader, start: bytes) -> bytes:
        if start[1] not in {15, 16}:
            return b""
        size = await reader.readexactly(1)
        return size + await reader.readexactly(size[0])

    async def _answer(self, head: bytes, body: bytes) -> None:
        unit_id, code = body[0], body[1]
        unit = self.units.get(unit_id)
        if unit is None or unit.silent:
            return
        pdu = self._pdu(unit, code, body)
        if unit.delay_s:
            await asyncio.sleep(unit.delay_s)
        frame = bytes([unit_id]) + pdu
        if self.rtu:
            frame += struct.pack("<H", crc16(frame))
        else:
            frame = head[:4] + struct.pack(">H", len(frame)) + frame
        # like a serial converter: the answer goes to whoever is connected when the device gives it
        for writer in list(self._writers):
            writer.write(frame)

    def _pdu(self, unit: Unit, code: int, body: bytes) -> bytes:
        address, count = struct.unpack(">HH", body[2:6])
        unit.requests.append((code, address, count))
        if unit.exceptions:
            return bytes([code | 0x80, unit.exceptions.pop(0)])
        function = FUNCTIONS[code]
        if any((function, address + i) not in unit.registers for i in range(count)):
            return bytes([code | 0x80, 2])
        if code in {15, 16}:
            return self._write(unit, code, function, address, count, body[7:])
        words = unit.words(function, address, count)
        if code in {1, 2}:
            packed = sum(bit << i for i, bit in enumerate(words)).to_bytes((count + 7) // 8, "little")
        else:
            packed = struct.pack(f">{count}H", *words)
        return bytes([code, len(packed)]) + packed

    def _write(self, unit: Unit, code: int, function: str, address: int, count: int, data: bytes) -> bytes:
        if code == 15:
            bits = int.from_bytes(data, "little")
            values = [bits >> i & 1 for i in range(count)]
        else:
            values = list(struct.unpack(f">{count}H", data))
        unit.put(function, address, values)
        unit.writes.append((function, address, values))
        if unit.on_write:
            unit.on_write(function, address, values)
        return struct.pack(">BHH", code, address, count)


def f32(value: float) -> list[int]:
    """A float as two registers, high word first."""
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def sdm630(power_w: float = 1500.0, *, import_kwh: float = 1234.5, export_kwh: float = 12.25) -> Unit:
    """An Eastron SDM630 by its manual's addresses."""
    unit = Unit()
    values = [230.0, 231.0, 232.0, 2.0, 3.0, 4.0, power_w / 3, power_w / 3, power_w / 3]
    for i, value in enumerate(values):
        unit.put("input", 2 * i, f32(value))
    unit.put("input", 0x34, f32(power_w))
    unit.put("input", 0x46, f32(50.0))
    unit.put("input", 0x48, f32(import_kwh))
    unit.put("input", 0x4A, f32(export_kwh))
    return unit


def sunspec(models: list[tuple[int, list[int]]], base: int = 40000) -> Unit:
    """A SunSpec device with these models (id, body) behind each other."""
    unit = Unit()
    words = [0x5375, 0x6E53]
    for model, body in models:
        words += [model, len(body), *body]
    unit.put("holding", base, [*words, 0xFFFF, 0])
    return unit


def body(length: int, fields: dict[int, int]) -> list[int]:
    """A model's body of not-implemented registers but for `fields`, by offset from the ID register."""
    words = [0xFFFF] * length
    for offset, value in fields.items():
        words[offset - 2] = value & 0xFFFF
    return words


def common_model() -> tuple[int, list[int]]:
    texts = [("Maker", 16), ("Model", 16), ("", 8), ("1.0", 8), ("SN1", 16)]
    data = b"".join(text.encode().ljust(2 * size, b"\0") for text, size in texts)
    return 1, [*struct.unpack(f">{len(data) // 2}H", data), 1]


def inverter(power_w: int = 12_345) -> Unit:
    """A three-phase inverter: models 1 (65 registers, as SolarEdge has it), 103, 120, 123."""
    fields = {2: 100, 3: 33, 4: 33, 5: 34, 6: -1, 10: 2301, 11: 2302, 12: 0xFFFF, 13: -1, 14: power_w // 10, 15: 1}
    fields |= {16: 5001, 17: -2, 18: 1235, 19: 1, 20: -32768, 21: 1, 22: 998, 23: -1, 24: 0x0012, 25: 0xD687, 26: 0}
    fields |= {27: 200, 28: -1, 29: 6105, 30: -1, 31: 1260, 32: 1, 33: 451, 37: -1, 38: 4}
    controls = {5: 10_000, 7: 0, 9: 0, 23: -2}
    nameplate = {2: 4, 3: 2000, 4: 1}
    return sunspec([common_model(), (103, body(50, fields)), (120, body(26, nameplate)), (123, body(24, controls))])


def storage(power_w: int = -2500) -> Unit:
    """A battery: models 1, 701, 713, 704."""
    fields = {4: 3, 10: power_w, 11: 2500, 17: 0, 18: 5000, 19: 0, 20: 0, 21: 1, 22: 0x86A0, 23: 0, 24: 0, 25: 2, 26: 0}
    fields |= {36: 305, 47: 2300, 70: 2301, 93: 2302}
    fields |= {114: -1, 115: -2, 116: 0, 118: 0, 119: 0, 120: 0, 122: -1}
    controls = {22: 0, 23: 1, 24: 0, 25: 0, 31: 0, 32: 0, 33: 0, 34: 0, 55: 0}
    return sunspec(
        [
            common_model(),
            (701, body(153, fields)),
            (713, body(7, {4: 655, 5: 990, 8: -1})),
            (704, body(65, controls)),
        ]
    )


def charger() -> Unit:
    """An Alfen charger's socket."""
    unit = Unit()
    unit.put("holding", 300, [0xFFFF] * 126)
    for address, value in {306: 230.0, 308: 231.0, 320: 16.0, 322: 16.0, 336: 50.0, 338: 3680.0, 344: 7360.0}.items():
        unit.put("holding", address, f32(value))
    unit.put("holding", 324, f32(float("nan")))
    unit.put("holding", 374, list(struct.unpack(">4H", struct.pack(">d", 1_234_567.0))))
    unit.put(
        "holding",
        1200,
        [1, *struct.unpack(">5H", b"C2".ljust(10, b"\0")), *f32(16.0), 0, 60, *f32(16.0), *f32(8.0), 1, 3],
    )
    return unit


def heat_pump() -> Unit:
    """Two relays and a meter."""
    unit = Unit()
    unit.put("coil", 0, [0, 0])
    unit.put("input", 0x34, f32(2100.0))
    unit.put("input", 0x48, f32(80.5))
    return unit


DEVICES = {"meter": sdm630, "inverter": inverter, "storage": storage, "charger": charger, "heat_pump": heat_pump}


class Devices:
    """The devices above as a fixture's attributes, since test folders are no packages."""

    Unit = Unit
    sdm630 = staticmethod(sdm630)
    inverter = staticmethod(inverter)
    storage = staticmethod(storage)
    charger = staticmethod(charger)
    heat_pump = staticmethod(heat_pump)
    sunspec = staticmethod(sunspec)
    body = staticmethod(body)
    common_model = staticmethod(common_model)
    f32 = staticmethod(f32)


@pytest.fixture
def devices() -> type[Devices]:
    """Makers of register images."""
    return Devices


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[ModbusServer]]]:
    """Starts Modbus servers: `await serve({unit: image}, rtu=False)`."""
    servers: list[ModbusServer] = []

    async def start(units: dict[int, Unit], *, rtu: bool = False) -> ModbusServer:
        server = ModbusServer(rtu=rtu)
        server.units = units
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


class RealTime:
    """The event loop's own time as a service's clock, with a wall clock that can be stepped."""

    speed = 1.0

    def __init__(self) -> None:
        self.offset_ms = 0

    def now_ms(self) -> int:
        import time

        return time.time_ns() // 1_000_000 + self.offset_ms

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.fixture
def real_time() -> Clock:
    """A running clock."""
    return RealTime()


async def _until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Waits until a condition holds, or fails after a timeout."""
    return _until
