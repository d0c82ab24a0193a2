"""The simulator's side door for tests and demonstrations: JSON lines over TCP, one request, one answer.

{"do": "truth"}                                          what is really so now
{"do": "truth", "last": 60}                              the same for the last ticks, oldest first
{"do": "fault", "device": "site/pv", "kind": "silent", "for_s": 30, "seconds": 2}
{"do": "clear", "device": "site/pv"}
{"do": "registers", "device": "site/pv", "function": 3, "address": 40000, "count": 4}
{"do": "devices"}
{"do": "cloud", "site": "site", "share": 0.15, "for_s": 300}
{"do": "car", "device": "site/ev-1", "energy_wh": 20000, "for_s": 3600}
{"do": "load", "site": "site", "power_w": 40000, "for_s": 600}
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any, Protocol

import msgspec

from energy.errors import CommonwattError, ConfigError
from simulator.faults import FaultKind

__all__ = ["ControlServer", "Controls", "handle"]

MAX_LINE = 64 * 1024


class Controls(Protocol):
    """What the side door may ask of the simulator."""

    def truth(self, last: int | None = None) -> dict[str, Any]:
        """What is really so, now or over the last ticks."""

    def fault(self, device: str, kind: FaultKind, for_s: float | None = None, seconds: float | None = None) -> None:
        """Makes a device faulty."""

    def clear(self, device: str) -> None:
        """Makes a device well again."""

    def registers(self, device: str, function: int, address: int, count: int) -> list[int] | None:
        """What a device would answer."""

    def devices(self) -> list[dict[str, Any]]:
        """Every device with its address and fault."""

    def cloud(self, site: str, share: float, for_s: float) -> None:
        """Takes most of the light from a site for a while."""

    def car(self, device: str, energy_wh: float, for_s: float) -> None:
        """Plugs a car in for a while."""

    def load(self, site: str, power_w: float, for_s: float) -> None:
        """Lets a building draw more for a while."""


class _Request(msgspec.Struct, tag_field="do", forbid_unknown_fields=True):
    pass


class Truth(_Request, tag="truth"):
    """Asks what is really so."""

    last: Annotated[int, msgspec.Meta(ge=1)] | None = None


class MakeFault(_Request, tag="fault"):
    """Asks for a fault."""

    device: str
    kind: FaultKind
    for_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None


class Clear(_Request, tag="clear"):
    """Asks for health."""

    device: str


class Registers(_Request, tag="registers"):
    """Asks for registers."""

    device: str
    function: Annotated[int, msgspec.Meta(ge=1, le=4)]
    address: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    count: Annotated[int, msgspec.Meta(ge=1, le=2000)]


class Devices(_Request, tag="devices"):
    """Asks for the list of devices."""


class Cloud(_Request, tag="cloud"):
    """Asks for a cloud."""

    site: str
    for_s: Annotated[float, msgspec.Meta(gt=0)]
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.15


class Car(_Request, tag="car"):
    """Asks for a car."""

    device: str
    for_s: Annotated[float, msgspec.Meta(gt=0)]
    energy_wh: Annotated[float, msgspec.Meta(gt=0, le=500_000)] = 20_000.0


class Load(_Request, tag="load"):
    """Asks for a load."""

    site: str
    for_s: Annotated[float, msgspec.Meta(gt=0)]
    power_w: Annotated[float, msgspec.Meta(ge=0, le=1e6)]


_Any = Truth | MakeFault | Clear | Registers | Devices | Cloud | Car | Load
_DECODER = msgspec.json.Decoder(_Any)


def handle(controls: Controls, line: bytes) -> dict[str, Any]:
    """The answer to one request line; whatever is wrong with it is told in `error`."""
    try:
        request = _DECODER.decode(line)
    except msgspec.MsgspecError as error:
        return {"error": str(error), "hint": 'send one JSON object per line, such as {"do": "devices"}'}
    try:
        return _answer(controls, request)
    except CommonwattError as error:
        return {"error": error.message, "hint": error.hint}


def _answer(controls: Controls, request: _Any) -> dict[str, Any]:
    match request:
        case Truth():
            return controls.truth(request.last)
        case MakeFault():
            controls.fault(request.device, request.kind, request.for_s, request.seconds)
            return {"ok": True}
        case Clear():
            controls.clear(request.device)
            return {"ok": True}
        case Registers():
            answer = controls.registers(request.device, request.function, request.address, request.count)
            return {"registers": answer}
        case Devices():
            return {"devices": controls.devices()}
        case Cloud():
            controls.cloud(request.site, request.share, request.for_s)
        case Car():
            controls.car(request.device, request.energy_wh, request.for_s)
        case Load():
            controls.load(request.site, request.power_w, request.for_s)
    return {"ok": True}


class ControlServer:
    """The side door's listening socket and its conversations."""

    def __init__(self, controls: Controls, host: str, port: int) -> None:
        self._controls = controls
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to listen. Raises ConfigError when the port is taken."""
        try:
            self._server = await asyncio.start_server(self._converse, self._host, self._port, limit=MAX_LINE)
        except OSError as error:
            raise ConfigError(
                f"{self._host}:{self._port} cannot be listened on: {error.strerror}",
                field="control.port",
                hint="another program holds the port; choose another",
            ) from error

    async def stop(self) -> None:
        """Ends every conversation and closes the port."""
        if self._server is not None:
            self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):  # the client left, or we are stopping
                await self._answer_lines(reader, writer)
        finally:
            self._conversations.discard(task)
            writer.close()

    async def _answer_lines(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # longer than MAX_LINE: nothing after it can be told apart
                writer.write(msgspec.json.encode({"error": f"a request has at most {MAX_LINE} bytes"}) + b"\n")
                return
            if not line:
                return
            writer.write(msgspec.json.encode(handle(self._controls, line)) + b"\n")
            await writer.drain()
