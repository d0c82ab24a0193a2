"""`profiles`, `scan` and `probe` against devices on real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest

import gateway.target
from cli.field import scanning
from gateway.device import locate
from gateway.p1 import crc16
from gateway.profile import Library
from tests.gateway.serial_line import SerialLine, Talker, honest


def test_profiles_lists_the_library_with_what_can_be_commanded(commonwatt):
    listed = commonwatt("profiles")
    assert listed.code == 0
    (line,) = [line for line in listed.out.splitlines() if line.startswith("alfen-ng9xx")]
    assert line.split()[:4] == ["alfen-ng9xx", "ev", "power_w", "two-sources"]


def test_profiles_json_has_the_promised_facts(commonwatt):
    facts = json.loads(commonwatt("profiles", "--json").out)["profiles"]
    relay = next(profile for profile in facts if profile["profile"] == "sg-ready-relay")
    assert relay.keys() == {"profile", "manufacturer", "model", "role", "verified", "controls"}
    assert relay["controls"] == ["state"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sunspec-storage-704", ["watchdog", "after 60 s", "safe state", "713", "traps", "source"]),
        ("sg-ready-relay", ["normal, blocked, boost, forced", "coil 0", "at least    600 s"]),
        ("eastron-sdm630", ["input 52", "f32", "power_w"]),
        ("p1-emucs", ["P1"]),
    ],
)
def test_profiles_name_shows_points_limits_and_traps(commonwatt, name, words):
    shown = commonwatt("profiles", name)
    assert shown.code == 0
    assert all(word in shown.out for word in words)


def test_every_profile_can_be_shown(commonwatt):
    for profile in json.loads(commonwatt("profiles", "--json").out)["profiles"]:
        assert profile["manufacturer"] in commonwatt("profiles", profile["profile"]).out


def test_profiles_of_an_unknown_name_guesses(commonwatt):
    outcome = commonwatt("profiles", "sunspec-inverter")
    assert (outcome.code, outcome.out) == (1, "")
    assert "did you mean `sunspec-inverter-" in outcome.err


def test_scan_names_what_answers_and_the_next_command(commonwatt, rooftop):
    url = f"rtutcp://127.0.0.1:{rooftop.meters}"
    outcome = commonwatt("scan", f"{url}?units=1-3", "--timeout", 0.2)
    assert outcome.code == 0
    assert f"{url}: 2 devices" in outcome.out
    assert outcome.out.count("profile  eastron-sdm630") == 2
    assert f"commonwatt probe '{url}' --unit 2" in outcome.out
    assert "asked 3 unit numbers" in outcome.err


def test_scan_json_has_identity_and_profiles(commonwatt, rooftop):
    outcome = commonwatt("scan", f"127.0.0.1:{rooftop.battery}?units=1,2", "--timeout", 0.2, "--json")
    (device,) = json.loads(outcome.out)["devices"]
    assert (device["unit"], device["profiles"][0]) == (1, "sunspec-storage-704")
    assert device["manufacturer"] == "Commonwatt"
    assert {701, 713, 704} <= set(device["sunspec_models"])


def test_scan_where_nothing_answers_says_what_to_try(commonwatt, rooftop):
    outcome = commonwatt("scan", f"rtutcp://127.0.0.1:{rooftop.meters}?units=8-9", "--timeout", 0.1)
    assert outcome.code == 1
    assert "nothing answers" in outcome.err
    assert "next: swap the wires A and B" in outcome.err


def test_scan_of_an_unreachable_host_is_one_error(commonwatt, free_port):
    outcome = commonwatt("scan", f"tcp://127.0.0.1:{free_port()}", "--json")
    assert outcome.code == 1
    assert json.loads(outcome.out or '{"devices": []}') == {"devices": []}
    assert "cannot be reached" in outcome.err
    assert "Traceback" not in outcome.err


def test_scan_of_a_network_finds_the_one_address_with_modbus(commonwatt, rooftop):
    outcome = commonwatt("scan", f"tcp://127.0.0.0:{rooftop.inverter}/29?units=1", "--timeout", 0.2)
    assert outcome.code == 0, outcome.err
    assert f"tcp://127.0.0.1:{rooftop.inverter}: 1 device" in outcome.out
    assert "1 accept a connection" in outcome.err


@pytest.fixture
def slow_device():
    """A dongle that refuses every address, but takes its time for it."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while request := client.recv(260):
                time.sleep(0.3)
                client.sendall(request[:4] + b"\0\3" + request[6:7] + bytes([request[7] | 0x80, 2]))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def test_scan_finds_a_slow_device_with_patience(commonwatt, slow_device, monkeypatch):
    monkeypatch.setattr(scanning, "_FIRST_S", 0.1)
    monkeypatch.setattr(scanning, "_PATIENT_S", 0.6)
    monkeypatch.setattr(scanning, "_SETTLE_S", 0.0)
    monkeypatch.setattr(Library, "names", lambda _self: ["sunspec-inverter-103"])
    outcome = commonwatt("scan", f"127.0.0.1:{slow_device}?units=1")
    assert outcome.code == 0
    assert "profile  none fits" in outcome.out
    assert "with patience" in outcome.err


@pytest.mark.parametrize("target", ["udp://host", "tcp://host?units=x", "tcp://host?speed=1"])
def test_scan_of_a_target_that_is_none_says_what_to_write(commonwatt, target):
    outcome = commonwatt("scan", target)
    assert outcome.code == 1
    assert "next: write" in outcome.err


def test_probe_json_has_exactly_the_promised_form(commonwatt, rooftop):
    outcome = commonwatt("probe", f"tcp://127.0.0.1:{rooftop.inverter}", "--unit", 1, "--json")
    facts = json.loads(outcome.out)
    assert list(facts) == ["profile", "manufacturer", "model", "serial", "version", "points"]
    assert (facts["profile"], facts["serial"]) == ("sunspec-inverter-103", "hall/pv")
    for point in facts["points"]:
        assert list(point) == ["name", "value", "unit", "quality", "registers", "source"]
    points = {point["source"]: point for point in facts["points"]}
    power = points["103.W"]
    assert (power["name"], power["value"], power["unit"]) == ("power_w", 0, "W")
    assert (power["quality"], power["registers"]) == ("measured", [0])
    assert points["120.WRtg"]["name"] is None


def test_probe_with_sunspec_shows_points_no_profile_has(commonwatt, rooftop):
    outcome = commonwatt("probe", f"tcp://127.0.0.1:{rooftop.battery}", "--profile", "sunspec", "--json")
    points = {point["source"]: point for point in json.loads(outcome.out)["points"]}
    assert points["701.W"]["name"] == "power_w"
    assert points["713.WHRtg"]["name"] is None
    assert points["1.SN"]["value"] == "hall/battery"


def test_probe_shows_registers_beside_values(commonwatt, rooftop):
    outcome = commonwatt("probe", f"rtutcp://127.0.0.1:{rooftop.meters}", "--profile", "eastron-sdm630")
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("frequency_hz")]
    _, value, unit, *_, high, low = line.split()
    (decoded,) = struct.unpack(">f", struct.pack(">HH", int(high), int(low)))
    assert (unit, float(value)) == ("Hz", pytest.approx(decoded, abs=0.001))
    assert outcome.err == ""


def test_probe_of_an_inverter_with_the_wrong_sign_says_so(commonwatt, sunny_rooftop):
    sunny_rooftop.fault("pv", "wrong_sign")
    outcome = commonwatt("probe", f"tcp://127.0.0.1:{sunny_rooftop.inverter}", "--profile", "sunspec-inverter-103")
    assert outcome.code == 0
    assert "check: PV takes" in outcome.err
    assert "next: turn the current transformers" in outcome.err


def test_probe_of_a_silent_unit_names_the_next_command(commonwatt, rooftop):
    url = f"rtutcp://127.0.0.1:{rooftop.meters}"
    outcome = commonwatt("probe", url, "--unit", 9, "--timeout", 0.1)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"commonwatt scan '{url}'" in outcome.err


def test_probe_with_the_wrong_profile_is_an_error_that_points_to_scan(commonwatt, rooftop):
    outcome = commonwatt("probe", f"127.0.0.1:{rooftop.inverter}", "--profile", "eastron-sdm630")
    assert (outcome.code, outcome.out) == (1, "")
    assert "refuses every register" in outcome.err
    assert "units=1'` names it" in outcome.err


def test_probe_with_a_misspelt_profile_does_not_ask_the_bus(commonwatt, free_port):
    outcome = commonwatt("probe", f"tcp://127.0.0.1:{free_port()}", "--profile", "eastron-sdm63")
    assert outcome.code == 1
    assert "did you mean `eastron-sdm630`?" in outcome.err


@pytest.fixture
def p1_port():
    """A dongle that sends one telegram over and over to one reader."""
    content = b"/TST5\\meter\r\n\r\n1-0:1.7.0(01.500*kW)\r\n1-0:2.7.0(00.000*kW)\r\n!"
    telegram = content + f"{crc16(content):04X}\r\n".encode()
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            client, _ = server.accept()
            with client:
                client.sendall(telegram)
                client.recv(1)
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.close()
    thread.join(5)


def test_probe_reads_a_p1_port(commonwatt, p1_port):
    outcome = commonwatt("probe", f"p1tcp://127.0.0.1:{p1_port}", "--json")
    facts = json.loads(outcome.out)
    (power,) = [point for point in facts["points"] if point["name"] == "power_w"]
    assert (facts["profile"], power["value"], power["source"]) == ("p1-emucs", 1500, "1-0:1.7.0 - 1-0:2.7.0")


def test_scan_of_a_p1_port_points_to_probe(commonwatt):
    outcome = commonwatt("scan", "p1:///dev/ttyUSB0")
    assert outcome.code == 1
    assert "commonwatt probe 'p1:///dev/ttyUSB0'" in outcome.err


@pytest.mark.parametrize("command", ["scan", "probe"])
def test_serial_line_that_is_absent_is_told_with_those_there_are(commonwatt, tmp_path, command):
    outcome = commonwatt(command, f"rtu://{tmp_path}/ttyUSB7")
    assert (outcome.code, outcome.out) == (1, "")
    assert "is not there" in outcome.err
    assert "this machine" in outcome.err


def test_serial_line_in_use_is_left_alone(commonwatt):
    master, slave = pty.openpty()
    port = os.ttyname(slave)
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE) as reader:
        assert reader.stdout.readline() == b"\n"
        outcome = commonwatt("scan", f"{port}?units=1")
        reader.kill()
    os.close(slave)
    os.close(master)
    assert outcome.code == 1
    assert f"({reader.pid})" in outcome.err


def test_scan_of_a_serial_line_finds_the_speed_by_itself(commonwatt, monkeypatch):
    """The device answers at 38400 baud only; pseudo-terminals know the speed that the other end was set to."""
    monkeypatch.setattr(scanning, "_LINE_S", 0.5)  # a busy machine answers late
    line = SerialLine()

    def answer(request):
        if termios.tcgetattr(line.speed)[4] != termios.B38400 or request[0] != 3:
            return []
        return [(0.0, honest(request))]

    talker = Talker(line.devices[0], answer)
    try:
        outcome = commonwatt("scan", f"{line.end}?units=2,3", "--json")
    finally:
        talker.close()
        line.cut()
    (device,) = json.loads(outcome.out)["devices"]
    assert device["unit"] == 3
    assert "baud=38400&parity=N" in device["target"]
    assert "9600" in outcome.err  # what was tried is told


def test_scan_of_a_serial_line_without_devices_says_what_to_try(commonwatt):
    master, slave = pty.openpty()
    outcome = commonwatt("scan", f"{os.ttyname(slave)}?units=1,2", "--timeout", 0.05)
    os.close(slave)
    os.close(master)
    assert outcome.code == 1
    assert "?baud=19200&parity=E" in outcome.err


def test_scan_of_a_host_without_a_port_finds_its_port(commonwatt, rooftop, free_port, monkeypatch):
    monkeypatch.setattr(gateway.target, "_PORTS", (free_port(), rooftop.inverter))
    monkeypatch.setattr(scanning, "_AGAIN_S", 0.0)
    outcome = commonwatt("scan", "127.0.0.1?units=1")
    assert outcome.code == 0, outcome.err
    assert f"tcp://127.0.0.1:{rooftop.inverter}: 1 device" in outcome.out
    assert f"1 accept a connection on port {rooftop.inverter}" in outcome.err


def test_scan_of_a_host_that_refuses_every_port_says_that_it_is_there(commonwatt, free_port, monkeypatch):
    monkeypatch.setattr(gateway.target, "_PORTS", (free_port(), free_port()))
    outcome = commonwatt("scan", "127.0.0.1")
    assert outcome.code == 1
    assert "127.0.0.1 is there, but takes no connection on ports" in outcome.err
    assert "next: switch Modbus TCP on in the device" in outcome.err


@pytest.fixture
def web_server():
    """What speaks another protocol than Modbus."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                with client, contextlib.suppress(OSError):
                    while client.recv(260):
                        client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


@pytest.mark.parametrize("command", ["scan", "probe"])
def test_what_is_no_modbus_is_told_as_such(commonwatt, web_server, command):
    outcome = commonwatt(command, f"tcp://127.0.0.1:{web_server}")
    assert (outcome.code, outcome.out) == (1, "")
    assert "something answers there, but not Modbus" in outcome.err
    assert "next: a converter may pass" in outcome.err


def test_scan_gives_a_device_more_time_to_tell_what_it_is_than_to_be_there(commonwatt, monkeypatch):
    """As on a slow line: one register comes at once, many take longer than the wait for any unit."""
    monkeypatch.setattr(scanning, "_LINE_S", 0.2)
    monkeypatch.setattr(Library, "names", lambda _self: ["eastron-sdm630"])
    asked = []
    line = SerialLine()

    def answer(request):
        asked.append(request)
        return [(0.0 if request[5] == 1 else 0.4, honest(request))]

    talker = Talker(line.devices[0], answer)
    try:
        outcome = commonwatt("scan", f"{line.end}?baud=9600&units=2")
    finally:
        talker.close()
        line.cut()
    assert outcome.code == 0, outcome.err
    inputs = [request for request in asked if request[1] == 4]
    assert len(inputs) >= len(locate(Library().get("eastron-sdm630"), {}).requests) > 1  # none ended the look
