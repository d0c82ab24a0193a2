"""Modbus TCP of our own: strict in what it takes, the same as pymodbus on the wire, unharmed by whatever comes."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.modbus_tcp import (
    BadAnswerError,
    Frame,
    Frames,
    RefusalError,
    TcpClient,
    check_written,
    read_request,
    values_of,
    write_request,
)

PDUS = st.binary(min_size=1, max_size=253)
FRAMES = st.lists(st.builds(Frame, st.integers(0, 0xFFFF), st.integers(0, 255), PDUS), max_size=6)
WORDS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)


def bytes_of(frame: Frame) -> bytes:
    return struct.pack(">HHHB", frame.transaction, 0, len(frame.pdu) + 1, frame.unit) + frame.pdu


@given(frames=FRAMES, cuts=st.lists(st.integers(1, 40), max_size=60))
def test_frames_come_out_as_they_went_in_wherever_the_stream_is_cut(frames, cuts):
    stream, found, reader = b"".join(map(bytes_of, frames)), [], Frames()
    for cut in [*cuts, len(stream) + 1]:
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    found += reader.feed(stream)
    assert found == frames


@given(chunks=st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_are_frames_or_refused(chunks):
    reader = Frames()
    try:
        for chunk in chunks:
            for frame in reader.feed(chunk):
                assert 1 <= len(frame.pdu) <= 253
    except BadAnswerError:
        pass


@given(pdu=PDUS, function=st.sampled_from(["holding", "input", "coil", "discrete"]), count=st.integers(1, 125))
def test_any_answer_gives_as_many_values_as_asked_or_is_refused(pdu, function, count):
    try:
        values = values_of(pdu, function, count)
    except (BadAnswerError, RefusalError):
        return
    assert len(values) == count


@given(words=WORDS)
def test_registers_come_as_they_are(words):
    pdu = bytes([3, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words)
    assert values_of(pdu, "holding", len(words)) == words
    with pytest.raises(BadAnswerError):
        values_of(pdu, "holding", len(words) + 1)
    with pytest.raises(BadAnswerError):
        values_of(pdu, "input", len(words))


@given(bits=st.lists(st.integers(0, 1), min_size=1, max_size=100))
def test_coils_written_are_the_coils_read(bits):
    request = write_request("coil", 7, bits)
    assert struct.unpack(">BHHB", request[:6]) == (15, 7, len(bits), (len(bits) + 7) // 8)
    assert values_of(bytes([1, len(request) - 6]) + request[6:], "coil", len(bits)) == bits


@pytest.mark.parametrize("pdu", [b"\x10\x00\x01\x00", b"\x10\x00\x01\x00\x02\x00", b"\x06\x00\x01\x00\x02", b"\x90"])
def test_confirmation_of_another_write_is_refused(pdu):
    with pytest.raises(BadAnswerError):
        check_written(pdu, write_request("holding", 1, [5, 6]))


def test_exception_is_told_by_its_code():
    with pytest.raises(RefusalError) as caught:
        values_of(b"\x83\x02", "holding", 1)
    assert caught.value.exception_code == 2


@pytest.fixture
async def pymodbus_server():
    """One device of pymodbus: registers and coils from 100."""
    registers = SimData(100, values=list(range(1, 31)), datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(id=1, simdata=[registers]), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    yield server.transport.sockets[0].getsockname()[1]
    await server.shutdown()


async def test_against_pymodbus_reads_writes_and_refusals(pymodbus_server):
    ours = TcpClient("127.0.0.1", pymodbus_server, 2.0)
    theirs = AsyncModbusTcpClient("127.0.0.1", port=pymodbus_server)
    assert await ours.connect()
    await theirs.connect()
    assert await ours.read(1, "holding", 100, 30) == list(range(1, 31))
    assert await ours.read(1, "input", 105, 2) == [6, 7]
    await ours.write(1, "holding", 110, [500, 65535], single=False)
    await ours.write(1, "holding", 112, [7], single=True)
    assert (await theirs.read_holding_registers(110, count=3, device_id=1)).registers == [500, 65535, 7]
    with pytest.raises(RefusalError) as caught:
        await ours.read(1, "holding", 4000, 1)
    assert caught.value.exception_code == 2
    assert await ours.read(1, "holding", 100, 1) == [1]
    ours.close()
    theirs.close()


@pytest.fixture
async def answering():
    """A server that answers each request with what it is given; gives a connected client and those bytes' list."""
    answers: list[bytes] = []
    tasks = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            while True:
                head = await reader.readexactly(12)
                if answers:
                    writer.write(answers.pop(0).replace(b"TT", head[:2]))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = TcpClient("127.0.0.1", server.sockets[0].getsockname()[1], 0.3)
    assert await client.connect()
    yield client, answers
    client.close()
    server.close()
    await asyncio.gather(*tasks)


GOOD = b"TT\0\0\0\5\1\3\2\0\x2a"


async def test_answer_of_another_transaction_is_passed_over(answering):
    client, answers = answering
    answers.append(b"\xff\xff\0\0\0\5\1\3\2\0\1" + GOOD)
    assert await client.read(1, "holding", 0, 1) == [42]


@pytest.mark.parametrize(
    "answer",
    [
        b"TT\0\0\0\5\2\3\2\0\x2a",  # another unit
        b"TT\0\0\0\5\1\4\2\0\x2a",  # another function
        b"TT\0\0\0\7\1\3\4\0\x2a\0\0",  # more than asked
        b"TT\0\1\0\5\1\3\2\0\x2a",  # another protocol
        b"TT\0\0\xff\xff\1\3\2\0\x2a",  # no such length
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
async def test_wrong_answer_is_never_a_value(answering, answer):
    client, answers = answering
    answers.append(answer)
    with pytest.raises(BadAnswerError):
        await client.read(1, "holding", 0, 1)


async def test_silence_is_a_timeout_and_the_connection_stays(answering):
    client, answers = answering
    with pytest.raises(TimeoutError):
        await client.read(1, "holding", 0, 1)
    answers.append(GOOD)
    assert await client.read(1, "holding", 0, 1) == [42]


async def test_closed_connection_ends_the_waiting_at_once(answering):
    client, _ = answering
    reader = asyncio.create_task(client.read(1, "holding", 0, 1))
    await asyncio.sleep(0)
    client.close()
    with pytest.raises(ConnectionResetError):
        await reader
    assert not client.connected
    with pytest.raises(ConnectionResetError):
        await client.read(1, "holding", 0, 1)


async def test_nobody_there_is_no_connection():
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    assert not await TcpClient("127.0.0.1", port, 0.5).connect()


def test_requests_are_those_of_the_specification():
    assert read_request("holding", 0x6B, 3) == bytes.fromhex("03006B0003")  # its example of function 3
    assert write_request("holding", 1, [0x000A, 0x0102]) == bytes.fromhex("100001000204000A0102")  # of function 16
    assert write_request("holding", 1, [3], single=True) == bytes.fromhex("0600010003")  # of function 6
