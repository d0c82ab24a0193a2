"""What an installer may type to name a bus."""

from __future__ import annotations

import pytest

from energy.errors import ConfigError
from gateway.target import line_settings, parse_network, parse_target, parse_units


def test_target_with_units_keeps_the_bus_url_without_them():
    target = parse_target("rtu:///dev/ttyUSB0?baud=19200&units=1-3&parity=E")
    assert (target.url, target.units) == ("rtu:///dev/ttyUSB0?baud=19200&parity=E", (1, 2, 3))
    assert (target.address.baud, target.address.parity) == (19200, "E")


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("192.168.1.20", "tcp://192.168.1.20"),
        ("192.168.1.20:1502", "tcp://192.168.1.20:1502"),
        ("/dev/ttyUSB0", "rtu:///dev/ttyUSB0"),
        ("rtutcp://converter:4196", "rtutcp://converter:4196"),
    ],
)
def test_bare_host_or_device_file_is_understood(typed, url):
    assert parse_target(typed).url == url


def test_target_without_units_asks_where_devices_usually_sit():
    assert {1, 100, 126, 200, 247} < set(parse_target("tcp://host").units)
    assert parse_target("rtutcp://host:4196").units == tuple(range(1, 21))


def test_units_are_ranges_and_numbers_without_repeats():
    assert parse_units("1,5,4-6") == (1, 5, 4, 6)


@pytest.mark.parametrize("units", ["", "x", "300", "5-1", "-3", "1-"])
def test_units_that_are_none_say_what_to_write(units):
    with pytest.raises(ConfigError, match="no unit numbers") as caught:
        assert parse_units(units) == ()
    assert "units=1-20" in caught.value.hint


def test_network_gives_one_target_for_each_host():
    targets = parse_network("192.168.1.0/30?units=1")
    assert targets == ["tcp://192.168.1.1:502?units=1", "tcp://192.168.1.2:502?units=1"]


@pytest.mark.parametrize("text", ["tcp://host:1502?units=1", "/dev/ttyUSB0", "rtu:///dev/ttyUSB0", "10.0.0.1:502"])
def test_one_host_or_line_is_no_network(text):
    assert parse_network(text) == [text]


@pytest.mark.parametrize("text", ["tcp://10.0.0.0/8", "tcp://host/24", "tcp://10.0.0.0/99"])
def test_network_that_is_too_large_or_none_is_refused(text):
    with pytest.raises(ConfigError):
        parse_network(text)


@pytest.mark.parametrize("text", ["10.0.0.1?units=1,2", "tcp://10.0.0.1?units=1,2"])
def test_host_without_a_port_is_asked_on_the_usual_ones(text):
    targets = [parse_target(one) for one in parse_network(text)]
    assert [target.address.port for target in targets] == [502, 1502, 6607, 8080]
    assert {target.units for target in targets} == {(1, 2)}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("192.168", "192.168.1.0/24"),
        ("tcp://192.168.1.300:502", "all four"),
        ("ttyUSB0", "/dev/ttyUSB0"),
        ("COM3", "path"),
    ],
)
@pytest.mark.parametrize("parse", [parse_target, parse_network])
def test_slip_that_would_name_some_other_host_is_refused(text, hint, parse):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert hint in caught.value.hint


def test_line_with_automatic_speed_is_tried_at_every_usual_setting_the_likeliest_first():
    for text in ("/dev/ttyUSB0", "rtu:///dev/ttyUSB0?baud=auto&units=3"):
        settings = [(line.address.baud, line.address.parity) for line in line_settings(parse_target(text))]
        assert settings[:2] == [(9600, "N"), (19200, "E")]
        assert {baud for baud, _ in settings} == {2400, 9600, 19200, 38400, 115_200}
    assert len(line_settings(parse_target("/dev/ttyUSB0?baud=9600"))) == 1
