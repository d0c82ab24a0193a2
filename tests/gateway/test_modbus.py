"""One bus against a real server: late answers, busy devices, silent units, lost connections."""

from __future__ import annotations

import asyncio

import pytest

from energy.errors import ConfigError, DeviceError
from gateway.modbus import Bus, parse_bus_url


@pytest.fixture
def connect():
    """Opens buses and closes them."""
    buses: list[Bus] = []

    def make(server, **options) -> Bus:
        buses.append(Bus(server.address, **{"timeout_s": 0.2, **options}))
        return buses[-1]

    yield make
    for bus in buses:
        bus.close()


def two_blocks(devices):
    unit = devices.Unit()
    unit.put("holding", 1000, [1111, 1111])
    unit.put("holding", 2000, [2222, 2222])
    return unit


@pytest.mark.parametrize("rtu", [False, True])
async def test_late_answer_is_never_taken_for_the_next(serve, devices, connect, rtu):
    """The answer to a timed-out read of 1000 arrives while 2000 is asked; the server hands it to whoever is there."""
    unit = two_blocks(devices)
    server = await serve({1: unit}, rtu=rtu)
    bus = connect(server)
    assert await bus.read(1, "holding", 2000, 2) == [2222, 2222]
    unit.delay_s = 0.3
    with pytest.raises(DeviceError) as caught:
        await bus.read(1, "holding", 1000, 2)
    assert caught.value.kind == "silent"
    unit.delay_s = 0.15  # still waiting when the late answer arrives
    for _ in range(3):
        assert await bus.read(1, "holding", 2000, 2) == [2222, 2222]
    assert server.connections == (2 if rtu else 1)


async def test_reader_cancelled_on_rtu_leaves_no_answer_behind(serve, devices, connect):
    unit = two_blocks(devices)
    bus = connect(await serve({1: unit}, rtu=True))
    await bus.read(1, "holding", 2000, 2)
    unit.delay_s = 0.1
    reader = asyncio.create_task(bus.read(1, "holding", 1000, 2))
    await asyncio.sleep(0.03)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    unit.delay_s = 0.15
    assert await bus.read(1, "holding", 2000, 2) == [2222, 2222]


@pytest.mark.parametrize("code", [4, 6])
async def test_busy_device_is_asked_again(serve, devices, connect, code):
    unit = two_blocks(devices)
    unit.exceptions = [code, code]
    bus = connect(await serve({1: unit}))
    assert await bus.read(1, "holding", 1000, 2) == [1111, 1111]
    assert len(unit.requests) == 3


async def test_busy_for_good_is_an_error_after_three_tries(serve, devices, connect):
    unit = two_blocks(devices)
    unit.exceptions = [6] * 9
    bus = connect(await serve({1: unit}))
    with pytest.raises(DeviceError, match="busy") as caught:
        await bus.read(1, "holding", 1000, 2)
    assert caught.value.kind == "busy"
    assert len(unit.requests) == 3


async def test_busy_device_leaves_the_bus_to_others_meanwhile(serve, devices, connect):
    busy = two_blocks(devices)
    busy.exceptions = [6] * 9
    bus = connect(await serve({1: busy, 2: two_blocks(devices)}))
    waiting = asyncio.create_task(bus.read(1, "holding", 1000, 2))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(0.05):
        assert await bus.read(2, "holding", 2000, 2) == [2222, 2222]
    with pytest.raises(DeviceError):
        await waiting


async def test_illegal_address_is_told_at_once(serve, devices, connect):
    unit = two_blocks(devices)
    bus = connect(await serve({1: unit}))
    with pytest.raises(DeviceError, match="illegal address") as caught:
        await bus.read(1, "holding", 5, 1)
    assert caught.value.kind == "exception"
    assert len(unit.requests) == 1


async def test_unit_absent_behind_a_modbus_gateway_is_silent(serve, devices, connect):
    unit = two_blocks(devices)
    unit.exceptions = [11]
    bus = connect(await serve({1: unit}))
    with pytest.raises(DeviceError) as caught:
        await bus.read(1, "holding", 1000, 2)
    assert caught.value.kind == "silent"


@pytest.mark.parametrize("rtu", [False, True])
async def test_coils_and_registers_are_written_as_given(serve, devices, connect, rtu):
    unit = devices.heat_pump()
    unit.put("holding", 10, [0, 0])
    bus = connect(await serve({1: unit}, rtu=rtu))
    await bus.write(1, "coil", 0, [1, 0])
    await bus.write(1, "holding", 10, [7, 8])
    assert await bus.read(1, "coil", 0, 2) == [1, 0]
    assert await bus.read(1, "holding", 10, 2) == [7, 8]
    with pytest.raises(DeviceError):
        await bus.write(1, "input", 0, [1])


async def test_requests_of_many_tasks_are_served_one_by_one_in_order(serve, devices, connect):
    unit = two_blocks(devices)
    bus = connect(await serve({1: unit}, rtu=True))
    answers = await asyncio.gather(*(bus.read(1, "holding", 1000 + i % 2, 1) for i in range(50)))
    assert answers == [[1111]] * 50
    assert [address for _, address, _ in unit.requests] == [1000 + i % 2 for i in range(50)]


async def test_connection_comes_back_after_the_device_restarted(serve, devices, connect, until):
    server = await serve({1: two_blocks(devices)})
    bus = connect(server)
    assert await bus.read(1, "holding", 1000, 1) == [1111]
    await server.stop()
    await asyncio.sleep(0.02)
    with pytest.raises(DeviceError):
        await bus.read(1, "holding", 1000, 1)
    await server.start()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await bus.read(1, "holding", 1000, 1) == [1111]
                break
            except DeviceError:
                await asyncio.sleep(0.05)


async def test_unit_that_needs_a_pause_gets_it_and_its_neighbours_do_not_wait(serve, devices, connect):
    server = await serve({1: two_blocks(devices), 2: two_blocks(devices)})
    bus = connect(server, unit_gaps_s={1: 0.3})
    loop = asyncio.get_running_loop()
    await bus.read(1, "holding", 1000, 1)
    began = loop.time()
    await bus.read(2, "holding", 1000, 1)
    await bus.read(2, "holding", 1000, 1)
    neighbour_s = loop.time() - began
    await bus.read(1, "holding", 1000, 1)
    assert neighbour_s < 0.25
    assert loop.time() - began >= 0.28


async def test_nobody_there_costs_later_requests_nothing(free_port):
    bus = Bus(parse_bus_url(f"tcp://127.0.0.1:{free_port()}"), timeout_s=0.2)
    for _ in range(3):
        with pytest.raises(DeviceError) as caught:
            async with asyncio.timeout(0.25):
                await bus.read(1, "holding", 0, 1)
        assert caught.value.kind == "connection"


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port"),
    [
        ("tcp://10.0.0.5", "tcp", "10.0.0.5", 502),
        ("tcp://inverter.local:1502", "tcp", "inverter.local", 1502),
        ("rtutcp://10.0.0.6:4196", "rtutcp", "10.0.0.6", 4196),
        ("rtu:///dev/ttyUSB0?baud=19200&parity=e&stopbits=2", "rtu", "/dev/ttyUSB0", 502),
    ],
)
def test_bus_url_is_understood(url, scheme, host, port):
    address = parse_bus_url(url)
    assert (address.scheme, address.host, address.port) == (scheme, host, port)


def test_bus_url_of_a_serial_line_carries_its_settings():
    address = parse_bus_url("rtu:///dev/ttyUSB0?baud=19200&parity=e&stopbits=2")
    assert (address.baud, address.parity, address.stopbits) == (19200, "E", 2)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "10.0.0.5",
        "http://x",
        "tcp://",
        "tcp://h:99999",
        "rtutcp://h",
        "rtu://",
        "rtu://dev/ttyUSB0",
        "rtu:///d?baud=x",
        "rtu:///d?x=1",
        "tcp://h?baud=1",
    ],
)
def test_bus_url_wrong_shows_how_it_is_written(url):
    with pytest.raises(ConfigError) as caught:
        parse_bus_url(url)
    assert "tcp://host:502" in str(caught.value.hint)


async def test_read_cancelled_in_the_instant_of_its_answer_ends(serve, devices, connect):
    """A poller that went on would keep the gateway from stopping."""
    bus = connect(await serve({1: devices.sdm630()}, rtu=True))
    await bus.read(1, "input", 0, 2)
    exchanges = bus._client._client.ctx
    before = exchanges.response_future
    reading = asyncio.create_task(bus.read(1, "input", 0, 2))
    while exchanges.response_future is before or not exchanges.response_future.done():
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
