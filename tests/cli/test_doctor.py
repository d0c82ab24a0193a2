"""The doctor against real devices, a real broker and files: what is well, what is not, and the next step."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import aiomqtt
import pytest
import yaml

import gateway.profile
from cli.configs import CentreConfig
from cli.doctor.centre import check_port, check_register, check_store
from cli.doctor.command import examine
from cli.doctor.gateway import check_outbox, running_gateway
from cli.doctor.machine import check_clock, check_disk, check_serial_port
from gateway.outbox import Outbox
from messaging.codec import Ack, Reading, Status, decode_data, encode
from runtime.clock import ManualClock
from storage.register.settings import RegisterSettings

NIGHT_MS = 1_779_750_000_000
BRUSSELS = (50.85, 4.35)


async def checks_of(path, *, now_ms=NIGHT_MS):
    """Every check of a configuration, without a second look at the devices."""
    return [check async for check in examine(path, ManualClock(now_ms), place=BRUSSELS, watch_s=0)]


def named(checks, start):
    """The checks whose name begins so."""
    return [check for check in checks if check.check.startswith(start)]


def one(checks, start):
    (check,) = named(checks, start)
    return check


def broker_of(settings, **more):
    return {"mqtt": {"host": settings.host, "port": settings.port, **more}}


def restart(broker, settings):
    """Another configuration for the broker, which stays the user who may read the test's files."""
    broker.kill()
    text = broker.config.read_text().replace("allow_anonymous true\n", "")
    broker.config.write_text(f"{text}{settings}\nuser {getpass.getuser()}\n")
    broker.start()


# --- the machine


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH with nothing but the tools a test puts there: `tools("chronyc", "echo ...")`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


def chrony(offset_s: float, leap: str = "Normal") -> str:
    fields = ["C0A80001", "192.168.0.1", "3", "1779750000.1", str(offset_s), "0", "0", "0", "0", "0", "0", "0", "64"]
    return f"echo '{','.join([*fields, leap])}'"


@pytest.mark.parametrize(
    ("script", "result"),
    [
        (chrony(0.0004), "ok"),
        (chrony(-3.0), "warn"),
        (chrony(-4000.0), "fail"),
        (chrony(0.0, "Not synchronised"), "warn"),
        ("echo nonsense", "warn"),
    ],
)
async def test_clock_by_chrony(tools, script, result):
    tools("chronyc", script)
    check = await check_clock(ManualClock(NIGHT_MS))
    assert (check.result, bool(check.next)) == (result, result != "ok")


@pytest.mark.parametrize(("said", "result"), [("yes", "ok"), ("no", "warn")])
async def test_clock_by_timedatectl_when_chrony_fails(tools, said, result):
    tools("chronyc", "exit 1")
    tools("timedatectl", f"echo {said}")
    assert (await check_clock(ManualClock(NIGHT_MS))).result == result


async def test_clock_without_a_time_service_warns(tools):
    assert "chrony" in (await check_clock(ManualClock(NIGHT_MS))).next


async def test_clock_that_was_never_set_fails():
    check = await check_clock(ManualClock(5_000))
    assert (check.result, "1970-01-01" in check.detail) == ("fail", True)


def test_disk_of_a_folder_that_does_not_exist_yet_looks_at_its_parent(tmp_path):
    assert check_disk(tmp_path / "a" / "b").result == "ok"
    assert check_disk(tmp_path, wanted_mb=1e12).result == "warn"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_disk_that_cannot_be_written_fails(tmp_path):
    tmp_path.chmod(0o500)
    assert check_disk(tmp_path).result == "fail"


def test_serial_port_that_is_absent_lists_what_is_there(tmp_path):
    check = check_serial_port(tmp_path / "ttyUSB7")
    assert check.result == "fail"
    assert "this machine" in check.next


def test_serial_port_that_is_a_file_fails(tmp_path):
    path = tmp_path / "port"
    path.touch()
    assert "no serial port" in check_serial_port(path).detail


def test_serial_port_that_is_free_is_ok_and_one_in_use_names_the_process():
    master, slave = pty.openpty()
    port = Path(os.ttyname(slave))
    os.close(slave)
    assert check_serial_port(port).result == "ok"
    with port.open("rb+", buffering=0) as held:
        command = [sys.executable, "-c", "print(flush=True); input()"]
        with subprocess.Popen(command, stdin=held, stdout=subprocess.PIPE) as reader:
            assert reader.stdout.readline() == b"\n"
            check = check_serial_port(port)
            reader.kill()
    os.close(master)
    assert (check.result, str(reader.pid) in check.detail) == ("warn", True)


# --- a gateway


async def test_gateway_in_order_has_nothing_that_failed(rooftop, mosquitto, tmp_path):
    checks = await checks_of(rooftop.gateway(tmp_path, **broker_of(mosquitto)))
    assert [check.check for check in checks if check.result == "fail"] == []
    assert one(checks, "configuration").result == "ok"
    assert one(checks, "broker login").result == "ok"
    assert one(checks, "broker rights").result == "ok"
    assert {check.check for check in named(checks, "device")} == {
        "device hall/grid",
        "device hall/lighting",
        "device hall/pv",
    }
    assert "no collector listens" in one(checks, "centre").detail


async def test_wrong_sign_of_the_grid_meter_is_found(rooftop, mosquitto, tmp_path):
    rooftop.fault("grid", "wrong_sign")
    checks = await checks_of(rooftop.gateway(tmp_path, **broker_of(mosquitto)))
    (check,) = [check for check in named(checks, "wiring hall/grid") if check.result == "fail"]
    assert "exports" in check.detail
    assert "grid meter counts the other way" in check.next


async def test_consumer_with_the_wrong_sign_is_found(rooftop, mosquitto, tmp_path):
    rooftop.fault("lighting", "wrong_sign")
    checks = await checks_of(rooftop.gateway(tmp_path, **broker_of(mosquitto)))
    assert any("a consumer delivers" in check.detail for check in named(checks, "wiring hall/lighting"))


def with_profile(folder, config, change):
    """The gateway's file with the SDM630's profile changed, as an own profile made in a hurry would be."""
    text = (Path(gateway.profile.__file__).parent / "profiles" / "eastron-sdm630.yaml").read_text(encoding="utf-8")
    own = folder / "profiles"
    own.mkdir()
    text = change(text.replace("profile: eastron-sdm630", "profile: own-meter", 1))
    (own / "own-meter.yaml").write_text(text, encoding="utf-8")
    content = yaml.safe_load(config.read_text(encoding="utf-8").replace("eastron-sdm630", "own-meter"))
    config.write_text(yaml.safe_dump(content | {"profiles_dir": str(own)}), encoding="utf-8")
    return config


async def test_scale_that_is_wrong_in_an_own_profile_is_found(rooftop, mosquitto, tmp_path):
    def in_kw(text):
        return text.replace("name: power_w, unit: W,", "name: power_w, unit: W, scale: 0.001,")

    path = with_profile(tmp_path, rooftop.gateway(tmp_path, **broker_of(mosquitto)), in_kw)
    (check,) = [one for one in named(await checks_of(path), "wiring hall/grid") if one.result == "fail"]
    assert "1000 times as much or as little" in check.detail


async def test_word_order_that_is_wrong_in_an_own_profile_is_found(rooftop, mosquitto, tmp_path):
    def swapped(text):
        return text.replace("max_read: 60", "max_read: 60\nword_order: little")

    path = with_profile(tmp_path, rooftop.gateway(tmp_path, **broker_of(mosquitto)), swapped)
    checks = await checks_of(path)
    told = [*named(checks, "device hall/grid"), *named(checks, "wiring hall/grid")]
    assert any(check.result == "fail" and "word order" in check.next for check in told), told


async def test_pv_that_produces_at_night_is_found(sunny_rooftop, mosquitto, tmp_path):
    path = sunny_rooftop.gateway(tmp_path, **broker_of(mosquitto))
    assert named(await checks_of(path, now_ms=NIGHT_MS + 43_200_000), "wiring hall/pv") == []
    (check,) = named(await checks_of(path, now_ms=NIGHT_MS), "wiring hall/pv")
    assert (check.result, "at night" in check.detail) == ("fail", True)


async def test_balance_of_a_site_with_a_silent_device_is_left_open(rooftop, mosquitto, tmp_path):
    rooftop.fault("grid", "wrong_sign")
    rooftop.fault("pv", "silent")
    checks = await checks_of(rooftop.gateway(tmp_path, **broker_of(mosquitto)))
    assert named(checks, "wiring hall/grid") == []


async def test_silent_device_fails_with_the_command_that_finds_it(rooftop, mosquitto, tmp_path):
    rooftop.fault("pv", "silent")
    checks = await checks_of(rooftop.gateway(tmp_path, **broker_of(mosquitto)))
    check = one(checks, "device hall/pv")
    assert check.result == "fail"
    assert f"commonwatt scan 'tcp://127.0.0.1:{rooftop.inverter}'" in check.next
    assert one(checks, "device hall/grid").result == "ok"


async def test_centre_that_confirms_is_seen(rooftop, mosquitto, tmp_path):
    async def collector(ready: asyncio.Event) -> None:
        async with aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
            await client.subscribe("cw/v1/ixelles/gw-hall/data", qos=1)
            ready.set()
            async for message in client.messages:
                data = decode_data(bytes(message.payload))
                assert data.readings == []
                await client.publish("cw/v1/ixelles/gw-hall/ack", encode(Ack(data.epoch, [data.seq])), qos=1)

    ready = asyncio.Event()
    task = asyncio.create_task(collector(ready))
    await ready.wait()
    checks = await checks_of(rooftop.gateway(tmp_path, buses=[], **broker_of(mosquitto)))
    task.cancel()
    assert one(checks, "centre").detail == "the collector confirms what we send"


async def test_acl_that_refuses_writing_is_found(rooftop, free_port, tmp_path, broker):
    (tmp_path / "acl").write_text("topic read cw/v1/#\n")
    restart(broker, f"allow_anonymous true\nacl_file {tmp_path}/acl")
    checks = await checks_of(rooftop.gateway(tmp_path, buses=[], **broker_of(broker.settings)))
    check = one(checks, "broker rights")
    assert (check.result, check.detail) == ("fail", "writing cw/v1/ixelles/gw-hall/data is refused")


async def test_empty_password_file_is_found(rooftop, tmp_path, mosquitto):
    (tmp_path / "password").write_text("\n")
    settings = broker_of(mosquitto, username="gw-hall", password_file=str(tmp_path / "password"))
    checks = await checks_of(rooftop.gateway(tmp_path, buses=[], **settings))
    check = one(checks, "broker login")
    assert (check.result, "mqtt.password_file: is empty" in check.detail) == ("fail", True)
    assert "nothing else" in check.next


async def test_login_with_a_wrong_password_is_found(rooftop, tmp_path, broker):
    secret = tmp_path / "password"
    secret.write_text("wrong")
    restart(broker, "allow_anonymous false")
    settings = broker_of(broker.settings, username="gw-hall", password_file=str(secret))
    checks = await checks_of(rooftop.gateway(tmp_path, buses=[], **settings))
    check = one(checks, "broker login")
    assert check.result == "fail"
    assert "password_file" in check.next


@pytest.mark.parametrize(
    ("mqtt", "name", "word"),
    [
        ({"host": "no-such-broker.invalid"}, "broker's name", "cannot be resolved"),
        ({"host": "127.0.0.1", "port": 1}, "broker 127.0.0.1:1", "nobody listens"),
    ],
)
async def test_way_that_ends_early_is_told_and_nothing_behind_it(rooftop, tmp_path, mqtt, name, word):
    checks = await checks_of(rooftop.gateway(tmp_path, buses=[], mqtt=mqtt))
    check = one(checks, name)
    assert (check.result, word in check.detail) == ("fail", True)
    assert named(checks, "broker login") == []


async def test_configuration_that_is_wrong_ends_the_examination(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text("gateway: gw\ncommunity: c\ndata_dri: x\n")
    checks = await checks_of(path)
    misspelt, missing = checks[1:]  # after the clock, and nothing else
    assert "gateway.yaml:3: data_dri" in misspelt.detail
    assert "did you mean `data_dir`?" in misspelt.next
    assert (missing.check, "data_dir" in missing.detail) == ("configuration", True)


def test_outbox_tells_what_waits_and_does_not_touch_it(tmp_path):
    path = tmp_path / "outbox.sqlite"
    assert "never ran" in check_outbox(path, NIGHT_MS).detail
    with closing(Outbox(path, ManualClock(NIGHT_MS))) as outbox:
        assert check_outbox(path, NIGHT_MS).detail.startswith("empty")
        outbox.append([Reading("hall/pv", NIGHT_MS, {"power_w": 1})])
        assert check_outbox(path, NIGHT_MS + 60_000).result == "ok"
        late = check_outbox(path, NIGHT_MS + 3 * 3_600_000)
        assert (late.result, late.detail) == ("warn", "1 batches wait, the oldest since 3 hours")
        assert outbox.depth().batches == 1
    assert check_outbox(path, NIGHT_MS).result == "ok"  # and with nobody holding it


def test_outbox_that_is_damaged_fails(tmp_path):
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"x" * 4096)
    assert check_outbox(path, NIGHT_MS).result == "fail"


def test_running_gateway_is_found_by_its_command_line(tmp_path):
    config = tmp_path / "gw-of-this-test.yaml"
    assert running_gateway(config) is None
    command = [sys.executable, "-c", "print(flush=True); input()", "gateway", "--config", str(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n"
        assert running_gateway(config) == process.pid
        process.kill()


async def test_serial_bus_in_use_is_left_alone(tmp_path, free_port):
    master, slave = pty.openpty()
    port = os.ttyname(slave)
    device = {"device": "hall/grid", "profile": "eastron-sdm630"}
    bus = {"id": "meters", "url": f"rtu://{port}", "timeout_s": 0.1, "devices": [device]}
    content = {"gateway": "gw", "community": "c", "data_dir": str(tmp_path), "buses": [bus]}
    path = tmp_path / "gw-with-a-serial-bus.yaml"
    path.write_text(yaml.safe_dump({**content, "mqtt": {"port": free_port()}}))
    assert one(await checks_of(path), "device hall/grid").result == "fail"  # nobody answers on the bare line
    command = [sys.executable, "-c", "input()", "gateway", "--config", str(path)]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    checks = await checks_of(path)
    process.kill()
    await process.wait()
    os.close(master)
    os.close(slave)
    assert named(checks, "device") == []
    assert f"the gateway (process {process.pid})" in one(checks, "serial port").detail


# --- a centre


@pytest.fixture
def centre(tmp_path, free_port):
    """A centre's configuration file with everything in a temporary folder."""

    def make(**settings):
        site = {"id": "hall", "name": "Hall", "gateway": "gw-hall", "devices": [{"id": "grid", "role": "grid"}]}
        content = {
            "communities": [{"id": "ixelles", "name": "Ixelles", "sites": [site]}],
            "store": {"kind": "embedded", "path": str(tmp_path / "history.db")},
            "register": {"path": str(tmp_path / "register.db")},
            "api": {"port": free_port(), "keys_file": str(tmp_path / "keys.json")},
            **settings,
        }
        path = tmp_path / "centre.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return make


async def test_centre_before_its_first_start_has_nothing_that_failed(centre, mosquitto):
    checks = await checks_of(centre(**broker_of(mosquitto)))
    assert [check for check in checks if check.result == "fail"] == []
    assert "gw-hall (never seen)" in one(checks, "gateways").detail
    assert one(checks, "keys").result == "warn"


async def test_centre_sees_which_gateways_are_online(centre, mosquitto):
    async with aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
        await client.publish("cw/v1/ixelles/gw-hall/status", encode(Status(online=True)), qos=1, retain=True)
    assert one(await checks_of(centre(**broker_of(mosquitto))), "gateways").detail == "all 1 are online"


async def test_centre_without_a_broker_says_that_run_brings_one(centre):
    assert "commonwatt run" in one(await checks_of(centre()), "broker").detail


async def test_port_that_somebody_else_has_fails(centre):
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    settings = CentreConfig.model_validate(yaml.safe_load(centre().read_text())).api
    taken = settings.model_copy(update={"port": server.sockets[0].getsockname()[1]})
    check = await check_port(taken)
    server.close()
    assert (check.result, "ss -ltnp" in check.next) == ("fail", True)


def test_store_that_is_no_database_fails(centre, tmp_path):
    (tmp_path / "history.db").write_bytes(b"x" * 4096)
    settings = CentreConfig.model_validate(yaml.safe_load(centre().read_text())).store
    assert check_store(settings).result == "fail"


def test_register_that_is_locked_or_none_fails(tmp_path):
    path = tmp_path / "register.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (x)")
    assert check_register(RegisterSettings(path=path)).result == "ok"
    path.write_bytes(b"x" * 4096)
    assert check_register(RegisterSettings(path=path)).result == "fail"


# --- the command


def test_doctor_exits_1_when_something_failed_and_tells_how_many(commonwatt, rooftop, mosquitto, tmp_path):
    rooftop.fault("pv", "silent")
    path = rooftop.gateway(tmp_path, **broker_of(mosquitto))
    outcome = commonwatt("doctor", "--config", path, "--watch", 0)
    assert outcome.code == 1
    assert "1 failed" in outcome.out.splitlines()[-1]
    assert "\x1b" not in outcome.out


def test_doctor_json_has_every_check_with_its_next_step(commonwatt, centre):
    outcome = commonwatt("doctor", "--config", centre(), "--json")
    facts = json.loads(outcome.out)
    assert (outcome.code, facts["ok"]) == (0, True)
    assert all(list(check) == ["check", "result", "detail", "next"] for check in facts["checks"])
    assert all(check["next"] for check in facts["checks"] if check["result"] != "ok")


def test_doctor_without_a_file_looks_at_the_machine(commonwatt):
    outcome = commonwatt("doctor")
    assert outcome.code == 0
    assert "disk:" in outcome.out


@pytest.mark.parametrize("place", ["Brussels", "50.85"])
def test_doctor_at_no_place_says_what_to_write(commonwatt, place):
    outcome = commonwatt("doctor", "--at", place)
    assert outcome.code == 1
    assert "--at 50.85,4.35" in outcome.err
