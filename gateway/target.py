"""What an installer types to name a bus: a bus url, perhaps with the unit numbers to look at."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from energy.errors import ConfigError
from gateway.modbus import BusAddress, parse_bus_url

__all__ = ["Target", "line_settings", "parse_network", "parse_target", "parse_units"]

# Where devices sit as they leave the factory: 1 and up; Victron GX 100, SMA SunSpec 126, Fronius meters 200 and 240,
# GoodWe and Sungrow 247.
_TCP_UNITS: Final = (*range(1, 11), 100, 126, 200, 240, 247)
_RTU_UNITS: Final = tuple(range(1, 21))
_LARGEST_NETWORK: Final = 1024
_PORTS: Final = (502, 1502, 6607, 8080)  # the standard's; SolarEdge's; Huawei's second; some converters'
_NO_ADDRESS: Final = re.compile(r"[0-9.]+")
_PORT_NAME: Final = re.compile(r"(?:tty|cu\.|com[0-9])[^/:]*", re.IGNORECASE)
# What meters and chargers of the library come with, the most usual first.
_LINE_SETTINGS: Final = ((9600, "N"), (19200, "E"), (9600, "E"), (19200, "N"), (38400, "N"), (115200, "N"), (2400, "N"))


@dataclass(frozen=True, slots=True)
class Target:
    """A bus and the units to look at on it."""

    url: str
    address: BusAddress
    units: tuple[int, ...]


def parse_target(text: str) -> Target:
    """`tcp://host[:502][?units=1-20]`, `rtutcp://host:port`, `rtu:///dev/ttyUSB0?baud=9600`; a bare host or device file
    is taken for the first or the last. Raises ConfigError.
    """
    if "://" not in text:
        text = f"rtu://{text}" if text.startswith("/") else f"tcp://{text}"
    try:
        parts = urlsplit(text)
        options = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no target: {error}", hint="write tcp://192.168.1.20") from error
    _refuse_slips(text, parts.netloc)
    options = [option for option in options if option != ("baud", "auto")]
    units = [value for name, value in options if name == "units"]
    rest = urlencode([(name, value) for name, value in options if name != "units"], safe="/")
    url = f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{rest}" if rest else "")
    address = parse_bus_url(url)
    usual = _RTU_UNITS if address.rtu_framing else _TCP_UNITS
    return Target(url, address, parse_units(units[-1]) if units else usual)


def _refuse_slips(text: str, netloc: str) -> None:
    """Raises ConfigError for what the system would take for some other host than was meant."""
    host = netloc.partition(":")[0]  # as it was typed: `urlsplit` makes small letters of it
    if _PORT_NAME.fullmatch(host):
        raise ConfigError(
            f"{text!r} is no host", hint=f"a serial line is written with its whole path: /dev/{host}, or rtu:///dev/..."
        )
    if _NO_ADDRESS.fullmatch(host):
        try:
            ipaddress.ip_address(host)
        except ValueError as error:
            hint = "write all four numbers, 192.168.1.20; a whole network is 192.168.1.0/24"
            raise ConfigError(f"{host!r} is no address", hint=hint) from error


def line_settings(target: Target) -> list[Target]:
    """The same serial line at every usual speed and parity, where the target names neither; else the target alone."""
    if target.address.scheme != "rtu" or {"baud", "parity"} & {
        name for name, _ in parse_qsl(urlsplit(target.url).query)
    }:
        return [target]
    url = f"{target.url}{'&' if '?' in target.url else '?'}"
    return [
        Target(one, parse_bus_url(one), target.units)
        for one in (f"{url}baud={baud}&parity={parity}" for baud, parity in _LINE_SETTINGS)
    ]


def parse_network(text: str) -> list[str]:
    """The targets of a network, `tcp://192.168.1.0/24?units=1`, one for each address; of one host without a port those
    of every usual port; else `text` alone.

    Raises ConfigError.
    """
    try:
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        if text.startswith("/") or parts.scheme != "tcp" or not parts.hostname:
            return [text]
        if not parts.path.strip("/"):
            _refuse_slips(text, parts.netloc)
            ports = [] if parts.port else _PORTS
            return [urlunsplit(("tcp", f"{parts.netloc}:{port}", "", parts.query, "")) for port in ports] or [text]
        if not parts.path.strip("/").isdecimal():
            return [text]
        network = ipaddress.ip_network(f"{parts.hostname}{parts.path.rstrip('/')}", strict=False)
        port = parts.port or 502
    except ValueError as error:
        raise ConfigError(f"{text!r} is no network: {error}", hint="write tcp://192.168.1.0/24") from error
    if network.num_addresses > _LARGEST_NETWORK:
        raise ConfigError(
            f"{text!r} has {network.num_addresses} addresses", hint="give a network of /22 or smaller, or one host"
        )
    return [urlunsplit(("tcp", f"{host}:{port}", "", parts.query, "")) for host in network.hosts()]


def parse_units(text: str) -> tuple[int, ...]:
    """`1-20`, `3` or `1,5,100-110`. Raises ConfigError."""
    units: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            units += range(int(first), int(last if dash else first) + 1)
    except ValueError:
        units = []
    if not units or min(units) < 0 or max(units) > 255:
        raise ConfigError(f"units={text} are no unit numbers", hint="write units=1-20 or units=1,5,247; 0 to 255")
    return tuple(dict.fromkeys(units))
