"""P1 ports over real sockets and a real pty pair: readings per interval, and what the status says of a bad line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty

import pytest

from energy.errors import ConfigError, DeviceError
from gateway.config import GatewayConfig
from gateway.metrics import Metrics
from gateway.modbus import parse_bus_url
from gateway.p1 import crc16
from gateway.p1_reader import P1Reader, next_telegram
from gateway.polling import FieldDevice
from gateway.profile import Library
from gateway.service import GatewayService
from runtime.clock import ManualClock
from tests.gateway.test_p1 import OLD, seven_even
from tests.gateway.test_p1_noise import ENCRYPTED


def telegram(import_kw: float = 1.5) -> bytes:
    lines = [
        "/TST5\\a meter of a test",
        "",
        "0-0:1.0.0(200512135409S)",
        "1-0:1.8.1(000001.000*kWh)",
        f"1-0:1.7.0({import_kw:06.3f}*kW)",
        "1-0:2.7.0(00.000*kW)",
        "!",
    ]
    content = "\r\n".join(lines).encode()
    return content + f"{crc16(content):04X}\r\n".encode()


class Port:
    """A P1 dongle: sends to whoever connects what the test hands it."""

    def __init__(self):
        self.writers = []
        self.connections = 0

    async def start(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.address = parse_bus_url(f"p1tcp://127.0.0.1:{self.port}")

    async def _accept(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    def send(self, data: bytes):
        for writer in self.writers:
            writer.write(data)

    def hang_up(self):
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    async def stop(self):
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()


@pytest.fixture
async def port():
    one = Port()
    await one.start()
    yield one
    await one.stop()


class Listener:
    """A P1Reader with what it gave."""

    def __init__(self, address, *, interval_s=10.0, silence_s=5.0):
        self.clock = ManualClock()
        self.readings, self.changes, self.metrics = [], [], Metrics()
        self.device = FieldDevice("site/grid", 1, Library().get("p1-emucs"), interval_s)
        self.reader = P1Reader(
            address,
            self.device,
            self.clock,
            collect=self.readings.append,
            status_changed=lambda: self.changes.append(self.device.status),
            metrics=self.metrics,
            silence_s=silence_s,
        )


@contextlib.asynccontextmanager
async def running(listener):
    task = asyncio.create_task(listener.reader.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_reader_over_tcp_gives_one_reading_per_interval_and_a_good_status(port, until):
    listener = Listener(port.address, interval_s=10)
    async with running(listener):
        await until(lambda: port.writers)
        for second in range(21):
            port.send(telegram(1.0 + second / 10))
            heard = asyncio.get_running_loop().time()
            await until(lambda at=heard: asyncio.get_running_loop().time() > at + 0.01)
            await listener.clock.advance(1)
    values = [reading.v["power_w"] for reading in listener.readings]
    assert values == [1000, 2000, 3000]
    assert [reading.t % 10_000 for reading in listener.readings] == [0, 0, 0]
    assert [status.ok for status in listener.changes] == [True]
    assert listener.readings[0].v["energy_import_wh"] == 1000


async def test_reader_takes_every_telegram_when_the_wall_clock_was_set_back(port, until):
    listener = Listener(port.address, interval_s=10)
    async with running(listener):
        await until(lambda: port.writers)
        port.send(telegram())
        await until(lambda: len(listener.readings) == 1)
        listener.clock.step_wall(-3600)
        port.send(telegram())
        await until(lambda: len(listener.readings) == 2)


async def test_reader_skips_a_damaged_telegram_and_counts_it(port, until):
    listener = Listener(port.address, interval_s=0.001)
    async with running(listener):
        await until(lambda: port.writers)
        port.send(telegram().replace(b"1-0:1.7.0(01", b"1-0:1.7.0(91") + telegram(2.0))
        await until(lambda: listener.readings)
    assert [reading.v["power_w"] for reading in listener.readings] == [2000]
    assert listener.metrics.poll_errors == {"garbage": 1}


async def test_reader_of_a_silent_port_says_so_once_and_recovers(port, until):
    listener = Listener(port.address, silence_s=0.05)
    async with running(listener):
        await until(lambda: listener.changes)
        assert "no telegram for 0.05 s" in listener.device.error
        await until(lambda: port.connections >= 2, 10)
        port.send(telegram())
        await until(lambda: listener.device.error is None)
    assert [status.ok for status in listener.changes] == [False, True]


async def test_reader_of_a_line_with_only_bad_telegrams_tells_what_is_wrong(port, until):
    listener = Listener(port.address, silence_s=0.3)
    async with running(listener):
        await until(lambda: port.writers)
        port.send(telegram()[:-6] + b"0000\r\n")
        await until(lambda: listener.changes)
    assert "no readable telegram: telegram: has CRC 0000" in listener.device.error


async def test_reader_connects_again_after_the_dongle_hung_up(port, until):
    listener = Listener(port.address, interval_s=0.001)
    async with running(listener):
        await until(lambda: port.writers)
        port.hang_up()
        await until(lambda: listener.device.error == "the connection was closed")
        await until(lambda: port.writers, 10)
        port.send(telegram())
        await until(lambda: listener.readings)


async def test_reader_of_an_unreachable_dongle_names_it(free_port, until):
    listener = Listener(parse_bus_url(f"p1tcp://127.0.0.1:{free_port()}"))
    async with running(listener):
        await until(lambda: listener.changes)
    assert "127.0.0.1 cannot be opened" in listener.device.error


@contextlib.contextmanager
def serial_pair():
    """The meter's end and the name of the gateway's."""
    meter, gateway = pty.openpty()
    try:
        yield meter, os.ttyname(gateway)
    finally:
        for descriptor in (meter, gateway):
            with contextlib.suppress(OSError):
                os.close(descriptor)


async def _keep_sending(meter, data):
    """As a meter does, whether anybody has opened the line or not."""
    while True:
        os.write(meter, data)
        await asyncio.sleep(0.02)


async def test_reader_over_a_serial_line_reads_through_a_pty_pair(until):
    with serial_pair() as (meter, path):
        listener = Listener(parse_bus_url(f"p1://{path}"), interval_s=0.001)
        async with running(listener):
            send_each_moment = asyncio.create_task(_keep_sending(meter, b"half of a line\r\n" + telegram(3.25)))
            await until(lambda: listener.readings)
            send_each_moment.cancel()
        assert listener.readings[0].v["power_w"] == 3250
        assert listener.device.error is None


async def test_reader_of_an_unplugged_adapter_says_so(until):
    with serial_pair() as (meter, path):
        listener = Listener(parse_bus_url(f"p1://{path}"))
        async with running(listener):
            send_each_moment = asyncio.create_task(_keep_sending(meter, telegram()))
            await until(lambda: listener.readings)
            send_each_moment.cancel()
            os.close(meter)
            await until(lambda: listener.device.error is not None)
        assert "closed" in listener.device.error


async def test_next_telegram_gives_the_first_good_one(port, until):
    asked = asyncio.create_task(next_telegram(port.address, within_s=5))
    await until(lambda: port.writers)
    port.send(telegram()[50:] + telegram(4.0))
    assert (await asked).values["power_w"] == 4000


async def test_next_telegram_of_a_silent_port_is_an_error_with_the_next_step(port):
    with pytest.raises(DeviceError, match="P1 port on"):
        await next_telegram(port.address, within_s=0.05)


def configuration(data_dir, settings, **bus):
    devices = [{"device": "site/grid", "profile": "p1-emucs", "interval_s": 1}]
    return GatewayConfig.model_validate(
        {
            "gateway": "gw-1",
            "community": "brussels",
            "data_dir": str(data_dir),
            "mqtt": settings.model_dump(),
            "buses": [{"id": "p1", "devices": devices, **bus}],
        }
    )


async def test_service_with_a_p1_port_keeps_its_readings(port, mosquitto, tmp_path, real_time, until):
    service = GatewayService(configuration(tmp_path, mosquitto, url=f"p1tcp://127.0.0.1:{port.port}"), real_time)
    task = asyncio.create_task(service.run())
    try:
        await until(lambda: port.writers)
        port.send(telegram(2.5))
        await until(lambda: service.outbox.depth().batches >= 1)
        (batch,) = service.outbox.pending(0, 2**62, 10)
        assert b'"power_w":2500' in batch.readings
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("url", ["p1tcp://10.0.0.5:23", "p1:///dev/ttyUSB0", "p1:///dev/ttyUSB0?baud=9600&parity=E"])
def test_config_with_a_p1_bus_loads(tmp_path, mosquitto, url):
    assert parse_bus_url(configuration(tmp_path, mosquitto, url=url).buses[0].url).is_p1


@pytest.mark.parametrize(
    "url", ["p1tcp://10.0.0.5", "p1://host:1/dev/x", "p1:///dev/ttyUSB0?baud=x", "p1:///dev/ttyUSB0?parity=Z"]
)
def test_config_with_a_wrong_p1_url_tells_the_right_ones(url):
    with pytest.raises(ConfigError) as caught:
        parse_bus_url(url)
    assert "p1tcp://host:port" in caught.value.hint


@pytest.mark.parametrize(
    "bus",
    [
        {"url": "tcp://10.0.0.5:502"},
        {"url": "p1tcp://10.0.0.5:23", "devices": [{"device": "site/grid", "profile": "eastron-sdm630"}]},
        {
            "url": "p1tcp://10.0.0.5:23",
            "devices": [{"device": f"site/grid-{n}", "profile": "p1-emucs"} for n in (1, 2)],
        },
    ],
)
def test_config_with_a_p1_meter_elsewhere_is_an_error(tmp_path, mosquitto, bus):
    with pytest.raises(ValueError, match=r"p1-emucs goes with|has one device"):
        configuration(tmp_path, mosquitto, **bus)


def with_gas(counted: str, gas_m3: float, import_kw: float = 1.5) -> bytes:
    content = telegram(import_kw).rpartition(b"!")[0]
    content += f"0-1:24.1.0(003)\r\n0-1:24.2.3({counted})({gas_m3:09.3f}*m3)\r\n!".encode()
    return content + f"{crc16(content):04X}\r\n".encode()


async def test_reader_tells_gas_once_with_the_time_at_which_it_was_counted(port, until):
    listener = Listener(port.address, interval_s=1)
    async with running(listener):
        await until(lambda: port.writers)
        for counted, gas_m3 in (("200512134000S", 1.0), ("200512134000S", 1.0), ("200512134500S", 1.25)):
            before = len(listener.readings)
            port.send(with_gas(counted, gas_m3))
            await until(lambda n=before: len(listener.readings) > n)
            await listener.clock.advance(1)
    gas = [(reading.t, reading.v) for reading in listener.readings if "gas_m3" in reading.v]
    five_minutes_ms = 300_000
    assert [values for _, values in gas] == [{"gas_m3": 1.0}, {"gas_m3": 1.25}]
    assert gas[1][0] - gas[0][0] == five_minutes_ms
    assert gas[0][0] == 1_589_283_600_000  # 2020-05-12 13:40 in Brussels
    power = [reading for reading in listener.readings if "power_w" in reading.v]
    assert len(power) == 3
    assert all(reading.t > gas[1][0] for reading in power)


async def test_reader_takes_a_counting_of_the_future_for_now(port, until):
    listener = Listener(port.address, interval_s=1)
    async with running(listener):
        await until(lambda: port.writers)
        port.send(with_gas("681231235500W", 7.0))
        await until(lambda: listener.readings)
    (reading,) = listener.readings
    assert (reading.t, reading.v["gas_m3"], reading.v["power_w"]) == (listener.clock.now_ms(), 7.0, 1500)


async def test_reader_of_an_old_meter_on_a_serial_line_checks_parity_and_needs_no_crc(until):
    with serial_pair() as (meter, path):
        listener = Listener(parse_bus_url(f"p1://{path}?baud=9600&parity=E"), interval_s=0.001)
        async with running(listener):
            send_each_moment = asyncio.create_task(_keep_sending(meter, seven_even(OLD)))
            await until(lambda: any("power_w" in reading.v for reading in listener.readings))
            send_each_moment.cancel()
    assert listener.readings[0].v == {"gas_m3": 1.001}
    assert listener.readings[1].v["power_w"] == 1010


async def test_reader_of_an_old_meter_at_the_usual_setting_names_the_right_one(until):
    with serial_pair() as (meter, path):
        listener = Listener(parse_bus_url(f"p1://{path}"), silence_s=0.3)
        async with running(listener):
            send_each_moment = asyncio.create_task(_keep_sending(meter, seven_even(OLD)))
            await until(lambda: listener.changes)
            send_each_moment.cancel()
    assert "seven bits with even parity" in listener.device.error


async def test_probe_of_an_encrypted_meter_says_that_it_is_encrypted(port, until):
    asked = asyncio.create_task(next_telegram(port.address, within_s=0.5))
    await until(lambda: port.writers)
    port.send(ENCRYPTED)
    with pytest.raises(DeviceError, match="encrypts its telegrams"):
        await asked


async def test_second_reader_of_a_serial_line_is_told_that_one_is_there(until):
    with serial_pair() as (_, path):
        first, second = Listener(parse_bus_url(f"p1://{path}")), Listener(parse_bus_url(f"p1://{path}"))
        async with running(first):
            await asyncio.sleep(0)
            async with running(second):
                await until(lambda: first.changes or second.changes)
        told = first.device.error if first.changes else second.device.error
    assert "another program reads it" in told
