"""Modbus servers: one per port, several units on it, with the faults of the line acted out; P1 ports beside them.

pymodbus answers from its own memory; here that memory is only the frame of legal addresses, and an action fills in the
device's registers at the moment they are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from energy.errors import ConfigError
from energy.names import device_id
from runtime.clock import Clock
from simulator.config import DeviceConfig
from simulator.faults import FaultBook
from simulator.p1 import P1Meter, P1Port
from simulator.physics import Charger
from simulator.registers.base import Refusal, RegisterMap, Space
from simulator.registers.charger import STATION_UNIT, StationMap
from simulator.world import World

__all__ = ["Bus", "build_buses"]

SPACES: dict[int, Space] = {
    1: "coil",
    2: "discrete",
    3: "holding",
    4: "input",
    5: "coil",
    6: "holding",
    15: "coil",
    16: "holding",
}
BIT_READS: dict[int, Space] = {1: "coil", 2: "discrete"}
BITS_PER_REGISTER = 16


class _SilenceError(Exception):
    """Raised when a unit gives no answer at all."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit on a bus: a device, or the station that chargers belong to."""

    name: str
    registers: RegisterMap
    faults: FaultBook
    clock: Clock

    async def act(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        memory: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """The action of pymodbus: fills its memory for a read, hands a write to the device."""
        space = SPACES.get(function)
        if space is None:
            return ExcCodes.ILLEGAL_FUNCTION
        if values is not None:
            refusal = self.registers.write(space, address, [int(value) for value in values], self.clock.now_ms())
            return None if refusal is None else ExcCodes(refusal)
        if space in {"coil", "discrete"}:
            return self._fill_bits(space, memory)
        answer = self.faults.read(self.name, self.registers, space, address, count)
        if isinstance(answer, Refusal):
            return ExcCodes(answer)
        memory[address - start : address - start + count] = answer
        return None

    def _fill_bits(self, space: Space, memory: list[int]) -> ExcCodes | None:
        legal = self.registers.ranges.get(space, ())
        if not legal:
            return ExcCodes.ILLEGAL_FUNCTION
        answer = self.faults.read(self.name, self.registers, space, legal[0].start, len(legal[0]))
        if isinstance(answer, Refusal):
            return ExcCodes(answer)
        memory[0] = sum(bit << position for position, bit in enumerate(answer))
        return None


class _Connection(ServerRequestHandler):
    """One client. Keeps each request with its answer: pymodbus would give a late answer the number of the next one."""

    server: _Server

    def handle_later(self) -> None:
        if self.last_pdu is not None:
            self.server.answer(self, self.last_pdu, self.last_addr)

    async def reply(self, request: ModbusPDU, address: tuple[Any, ...] | None) -> None:
        """Answers one request, late, wrongly or not at all, as its unit's fault wants."""
        unit = request.dev_id
        try:
            refusal = await self.server.bus.admit(request)
        except _SilenceError:
            return
        if refusal is None:
            response = await request.datastore_update(self.server.context, unit)  # type: ignore[arg-type]
        else:
            response = ExceptionResponse(request.function_code, refusal)
        response.transaction_id = request.transaction_id
        response.dev_id = unit
        if self.transport is not None:  # the client may have left while it waited
            self.server_send(response, address)  # type: ignore[no-untyped-call]


class _Server(ModbusTcpServer):
    """A pymodbus server whose connections ask the bus first."""

    def __init__(self, bus: Bus, devices: list[SimDevice]) -> None:
        framer = FramerType.RTU if bus.rtu else FramerType.SOCKET
        super().__init__(devices, framer=framer, address=(bus.host, bus.port))
        self.bus = bus
        self._replies: set[asyncio.Task[None]] = set()

    def callback_new_connection(self) -> _Connection:
        return _Connection(self, None, None, None)  # type: ignore[no-untyped-call]

    def answer(self, connection: _Connection, request: ModbusPDU, address: tuple[Any, ...] | None) -> None:
        """Answers a request in its own task, so that a slow unit delays nobody else."""
        task = self.loop.create_task(connection.reply(request, address))
        self._replies.add(task)
        task.add_done_callback(self._replies.discard)

    async def shutdown(self) -> None:
        for task in self._replies:
            task.cancel()
        await super().shutdown()  # type: ignore[no-untyped-call]


class Bus:
    """One port with its units."""

    def __init__(self, host: str, port: int, *, rtu: bool, faults: FaultBook) -> None:
        self.host = host
        self.port = port
        self.rtu = rtu
        self.units: dict[int, Unit] = {}
        self._faults = faults
        self._server: _Server | None = None

    @property
    def devices(self) -> int:
        """Devices on the port; a charging station is part of its sockets."""
        return sum(number != STATION_UNIT for number in self.units)

    async def start(self) -> None:
        """Begins to listen, if it does not already. Raises ConfigError when the port is taken."""
        if self._server is not None:
            return
        devices = [_frame(number, unit) for number, unit in self.units.items()]
        self._server = _Server(self, devices)
        try:
            await self._server.serve_forever(background=True)
        except RuntimeError as error:
            self._server = None
            raise ConfigError(
                f"{self.host}:{self.port} cannot be listened on",
                field="port",
                hint="another program holds the port, or the address is not this machine's; choose another",
            ) from error

    async def stop(self) -> None:
        """Closes every connection and the port."""
        if self._server is not None:
            await self._server.shutdown()
            self._server = None

    async def admit(self, request: ModbusPDU) -> ExcCodes | None:
        """None when the unit answers now, else the exception it answers with. Waits for a slow one.

        Raises _SilenceError when it does not answer at all.
        """
        unit = self.units.get(request.dev_id)
        if unit is None and self.rtu:
            raise _SilenceError  # nobody on a serial line speaks for another
        if unit is None:
            return ExcCodes.GATEWAY_NO_RESPONSE
        fault = self._faults.active(unit.name)
        if fault is not None and fault.kind == "slow":
            # Real seconds on purpose: the client's socket timeout knows no other.
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind in {"silent", "restart"}:
            raise _SilenceError
        if fault is not None and fault.kind == "busy":
            return ExcCodes.DEVICE_BUSY
        space = BIT_READS.get(request.function_code)
        if (
            space is not None
            and space in unit.registers.ranges
            and not unit.registers.is_legal(space, request.address, request.count)
        ):
            return ExcCodes.ILLEGAL_ADDRESS  # pymodbus keeps sixteen bits where the board may have eight
        return None


def build_buses(world: World, faults: FaultBook, clock: Clock) -> dict[str, Bus | P1Port]:
    """The bus of every device; devices of one port share one."""
    ports: dict[tuple[str, int], Bus] = {}
    of_device: dict[str, Bus | P1Port] = {}
    for site in world.config.sites:
        for device in site.devices:
            if device.kind == "p1-meter":
                of_device[device_id(site.id, device.id)] = _p1_port(device, site.id, world, faults, clock)
                continue
            bus = ports.setdefault((device.host, device.port), _bus(device, faults))
            name = device_id(site.id, device.id)
            bus.units[device.unit] = Unit(name, world.map(name), faults, clock)
            of_device[name] = bus
    for bus in ports.values():
        _add_station(bus, world.devices.get, faults, clock)
    return of_device


def _bus(device: DeviceConfig, faults: FaultBook) -> Bus:
    return Bus(device.host, device.port, rtu=device.framing == "rtu", faults=faults)


def _p1_port(device: DeviceConfig, site: str, world: World, faults: FaultBook, clock: Clock) -> P1Port:
    name = device_id(site, device.id)
    electrical = next(one.electrical for one in world.sites if one.config.id == site)
    meter = P1Meter(world.devices[name], electrical, ZoneInfo(world.config.timezone))
    return P1Port(device.host, device.port, name, meter, faults=faults, clock=clock, now_ms=lambda: world.now_ms)


def _add_station(bus: Bus, device: Callable[[str], object], faults: FaultBook, clock: Clock) -> None:
    sockets = [found for unit in bus.units.values() if isinstance(found := device(unit.name), Charger)]
    if sockets and STATION_UNIT not in bus.units:
        bus.units[STATION_UNIT] = Unit(f"{sockets[0].name}/station", StationMap(sockets), faults, clock)


def _frame(number: int, unit: Unit) -> SimDevice:
    """The legal addresses of a unit, as pymodbus wants them."""
    ranges = unit.registers.ranges
    if "coil" not in ranges:
        (legal,) = ranges.values()
        return SimDevice(number, [_registers(part) for part in legal], action=unit.act)
    coils = SimData(0, values=[False] * BITS_PER_REGISTER, datatype=DataType.BITS)
    discrete = SimData(0, values=[False] * BITS_PER_REGISTER, datatype=DataType.BITS)
    blocks = [[_registers(part) for part in ranges.get(space, ())] for space in ("holding", "input")]
    holding, inputs = (block or [SimData(0, datatype=DataType.INVALID)] for block in blocks)
    return SimDevice(number, ([coils], [discrete], holding, inputs), action=unit.act)


def _registers(legal: range) -> SimData:
    return SimData(legal.start, count=len(legal), values=0, datatype=DataType.REGISTERS)
