"""Modbus RTU over a real pair of pseudo-terminals, answered by libmodbus, an implementation nobody here wrote."""

from __future__ import annotations

import asyncio
import ctypes.util
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from energy.errors import DeviceError
from gateway.config import GatewayConfig
from gateway.modbus import Bus, parse_bus_url
from gateway.service import GatewayService
from tests.gateway.serial_line import SerialLine, Talker, honest, sealed

HERE = Path(__file__).parent

needs_libmodbus = pytest.mark.skipif(
    ctypes.util.find_library("modbus") is None,
    reason="libmodbus5 is not installed (Debian: apt-get install libmodbus5)",
)


@pytest.fixture
def serial_line():
    """Makes lines and cuts what is left of them."""
    lines = []

    def make(devices=1):
        lines.append(SerialLine(devices))
        return lines[-1]

    yield make
    for line in lines:
        line.cut()


@pytest.fixture
def talk(serial_line):
    """Makes a line with one device that gives the answers of a test: `talk(answer)`."""
    talkers = []

    def make(answer):
        line = serial_line()
        talkers.append(Talker(line.devices[0], answer))
        return line

    yield make
    for talker in talkers:
        talker.close()


@pytest.fixture
def libmodbus():
    """Starts libmodbus servers: `libmodbus("rtu", device, baud, parity, unit)`."""
    processes = []

    def start(*arguments):
        command = [sys.executable, str(HERE / "libmodbus.py"), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"ready\n"

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
async def connect():
    """Opens buses and closes them."""
    buses = []

    def make(url, **options):
        buses.append(Bus(parse_bus_url(url), **{"timeout_s": 0.5, **options}))
        return buses[-1]

    yield make
    for bus in buses:
        bus.close()


@pytest.fixture(params=["rtu", "tcp"])
def bus(request, serial_line, libmodbus, connect, free_port):
    """A bus to unit 1 of a libmodbus server, over the serial line and over TCP."""
    if ctypes.util.find_library("modbus") is None:
        pytest.skip("libmodbus5 is not installed (Debian: apt-get install libmodbus5)")
    if request.param == "tcp":
        port = free_port()
        libmodbus("tcp", port)
        return connect(f"tcp://127.0.0.1:{port}")
    line = serial_line()
    libmodbus("rtu", line.devices[0], 19200, "N", 1)  # pseudo-terminals know no parity
    return connect(f"rtu://{line.end}?baud=19200")


@pytest.mark.parametrize("count", [1, 2, 60, 125])
async def test_libmodbus_registers_are_read_as_they_are(bus, count):
    assert await bus.read(1, "holding", 100, count) == [1100 + n for n in range(count)]
    assert await bus.read(1, "input", 100, count) == [600 + n for n in range(count)]


@pytest.mark.parametrize("count", [1, 8, 9, 100])
async def test_libmodbus_coils_and_discrete_inputs_are_read_as_they_are(bus, count):
    expected = [int(n % 3 == 0) for n in range(30, 30 + count)]
    assert await bus.read(1, "coil", 30, count) == expected
    assert await bus.read(1, "discrete", 30, count) == expected


async def test_libmodbus_takes_what_is_written(bus):
    await bus.write(1, "holding", 10, [7, 8])
    await bus.write(1, "coil", 1, [1, 1])
    assert await bus.read(1, "holding", 9, 4) == [1009, 7, 8, 1012]
    assert await bus.read(1, "coil", 0, 4) == [1, 1, 1, 1]


async def test_libmodbus_exceptions_are_told(bus):
    with pytest.raises(DeviceError, match="illegal address") as illegal:
        await bus.read(1, "coil", 9_999, 2)
    assert illegal.value.kind == "exception"
    with pytest.raises(DeviceError, match="still busy"):
        await bus.read(1, "holding", 9_500, 1)
    assert await bus.read(1, "holding", 0, 1) == [1000]


@needs_libmodbus
async def test_three_units_on_one_line_answer_each_for_itself_and_a_fourth_not(serial_line, libmodbus, connect):
    line = serial_line(3)
    for unit, device in enumerate(line.devices, 1):
        libmodbus("rtu", device, 9600, "N", unit)
    bus = connect(f"rtu://{line.end}?baud=9600", timeout_s=0.3)
    for _ in range(3):
        answers = await asyncio.gather(*(bus.read(unit, "holding", 5, 2) for unit in (1, 2, 3)))
        assert answers == [[1005, 1006], [2005, 2006], [3005, 3006]]
        with pytest.raises(DeviceError, match="unit 4 did not answer"):
            await bus.read(4, "holding", 5, 2)


@needs_libmodbus
async def test_adapter_unplugged_and_plugged_in_again_is_read_again(tmp_path, serial_line, libmodbus, connect, until):
    """The device file goes and comes back, as a USB adapter's does; nobody restarts anything."""
    port = tmp_path / "ttyUSB0"
    first, second = serial_line(), serial_line()
    libmodbus("rtu", first.devices[0], 9600, "N", 1)
    libmodbus("rtu", second.devices[0], 9600, "N", 2)
    port.symlink_to(first.end)
    bus = connect(f"rtu://{port}")
    assert await bus.read(1, "holding", 0, 1) == [1000]
    port.unlink()
    first.cut()
    with pytest.raises(DeviceError):
        await bus.read(1, "holding", 0, 1)
    with pytest.raises(DeviceError) as gone:
        await bus.read(1, "holding", 0, 1)
    assert gone.value.kind == "connection"
    port.symlink_to(second.end)
    async with asyncio.timeout(10):
        while True:
            try:
                assert await bus.read(2, "holding", 0, 1) == [2000]
                break
            except DeviceError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda port, end: None, "there is no"),
        (lambda port, end: port.symlink_to(end), "another program may have it"),
    ],
)
async def test_port_that_cannot_be_opened_is_told_in_words(tmp_path, serial_line, connect, prepare, words):
    line = serial_line()
    holder = connect(f"rtu://{line.end}")
    with pytest.raises(DeviceError):
        await holder.read(1, "holding", 0, 1)  # nobody answers, but the port is taken
    await holder._connected()
    prepare(tmp_path / "port", line.end)
    with pytest.raises(DeviceError) as caught:
        await connect(f"rtu://{tmp_path / 'port'}").read(1, "holding", 0, 1)
    assert caught.value.kind == "connection"
    assert words in f"{caught.value.message}; {caught.value.hint}"


async def test_setting_the_adapter_cannot_do_is_no_defect(serial_line, connect):
    """A pseudo-terminal refuses parity, as some adapters refuse odd rates."""
    line = serial_line()
    with pytest.raises(DeviceError, match="parity E") as caught:
        await connect(f"rtu://{line.end}?parity=E").read(1, "holding", 0, 1)
    assert caught.value.kind == "connection"


def wrong_crc(request):
    frame = bytearray(honest(request))
    frame[-1] ^= 0x55
    return bytes(frame)


def other_unit(request):
    body = bytes([request[0] + 1]) + honest(request)[1:-2]
    return sealed(body)


def one_register_too_many(request):
    unit, function, address, count = struct.unpack(">BBHH", request[:6])
    return honest(struct.pack(">BBHH", unit, function, address, count + 1))


@pytest.mark.parametrize("seed", range(4))
async def test_late_answer_on_a_serial_line_is_never_taken_for_the_next(talk, connect, seed):
    """Answers come at once, late, or in two pieces with a pause, and every read asks for another address."""
    dice = random.Random(seed)

    def answer(request):
        frame = honest(request)
        kind = dice.choice(["at once", "late", "pieces", "never"])
        if kind == "never":
            return []
        if kind == "pieces":
            cut = dice.randrange(1, len(frame))
            return [(0.01, frame[:cut]), (dice.uniform(0.02, 0.2), frame[cut:])]
        return [(0.0 if kind == "at once" else dice.uniform(0.05, 0.19), frame)]

    line = talk(answer)
    bus = connect(f"rtu://{line.end}", timeout_s=0.1)
    right = 0
    for attempt in range(12):
        address = 100 * attempt
        try:
            assert await bus.read(1, "holding", address, 3) == [address, address + 1, address + 2]
            right += 1
        except DeviceError:
            pass
    assert right > 0


@pytest.mark.parametrize("wrong", [wrong_crc, other_unit, one_register_too_many, lambda _: b"\x00\xff" * 20])
async def test_wrong_answer_is_no_value_and_the_next_right_one_is(talk, connect, wrong):
    replies = [wrong]

    def answer(request):
        return [(0.0, (replies.pop() if replies else honest)(request))]

    line = talk(answer)
    bus = connect(f"rtu://{line.end}", timeout_s=0.4)
    with pytest.raises(DeviceError):
        await bus.read(1, "holding", 7, 2)
    assert await bus.read(1, "holding", 40, 2) == [40, 41]


async def test_noise_before_an_answer_is_skipped_or_costs_one_reading(talk, connect):
    line = talk(lambda request: [(0.0, b"\x00\xfe" + honest(request))])
    bus = connect(f"rtu://{line.end}", timeout_s=0.4)
    for address in (10, 20, 30):
        try:
            assert await bus.read(1, "holding", address, 2) == [address, address + 1]
        except DeviceError as error:
            assert error.kind in {"silent", "garbage"}  # noqa: PT017 - either is right


async def test_gateway_reads_a_meter_over_a_serial_line(tmp_path, talk, devices, real_time, until):
    """The whole service: a profile's registers over the line into the outbox."""
    unit = devices.sdm630()

    def answer(request):
        number, _, address, count = struct.unpack(">BBHH", request[:6])
        words = [unit.registers.get(("input", address + n), 0) for n in range(count)]
        body = struct.pack(f">BBB{count}H", number, 4, 2 * count, *words)
        return [(0.0, sealed(body))]

    line = talk(answer)
    device = {"device": "school/grid", "profile": "eastron-sdm630", "unit": 1, "interval_s": 0.2}
    config = GatewayConfig.model_validate(
        {
            "gateway": "gw",
            "community": "c",
            "data_dir": tmp_path,
            "mqtt": {"port": 1},
            "commit_interval_s": 0.2,
            "buses": [{"id": "line", "url": f"rtu://{line.end}?baud=9600", "devices": [device]}],
        }
    )
    service = GatewayService(config, real_time)
    task = asyncio.create_task(service.run())
    await until(lambda: service.metrics.batches >= 2, 10)
    (batch, *_) = service.outbox.pending(0, 1_000_000, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert b'"device":"school/grid"' in batch.readings
    assert b'"power_w":1500' in batch.readings


async def test_setting_that_the_port_refuses_leaves_it_free_for_the_next(talk):
    """Pseudo-terminals take no parity; whether refused or not, the line must not stay locked by the attempt."""
    line = talk(lambda request: [(0.0, honest(request))])
    for setting in ("baud=9600&parity=E", "baud=9600&parity=O", "baud=9600&parity=N"):
        bus = Bus(parse_bus_url(f"rtu://{line.end}?{setting}"), timeout_s=1.0)
        try:
            answer = await bus.read(3, "holding", 7, 2)
        except DeviceError as error:
            assert error.kind == "connection"  # noqa: PT017 - one way of two
            answer = None
        finally:
            bus.close()
    assert answer == [7, 8]
