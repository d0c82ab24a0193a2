"""From a bus in the configuration to a connection that has the patience its devices need."""

from __future__ import annotations

from typing import Final

from gateway.config import BusConfig
from gateway.device import locate
from gateway.modbus import Bus, parse_bus_url
from gateway.profile import Library, Profile

__all__ = ["line_load", "make_bus"]

_TIMEOUT_S: Final = 1.0  # of a bus whose devices need no more
_REQUEST_BYTES: Final = 8
_ANSWER_BYTES: Final = 5  # besides two a register
_BITS_A_BYTE: Final = 11  # start, eight, parity or a second stop, stop
_SILENCE_BYTES: Final = 7  # 3.5 before each frame
_DEVICE_S: Final = 0.02  # what a meter takes to think


def make_bus(config: BusConfig, library: Library) -> Bus:
    """A bus that is not opened yet. What the configuration leaves open is what its devices' profiles need."""
    needs = [library.get(device.profile).pacing for device in config.devices]
    timeout_s = config.timeout_s or max(_TIMEOUT_S, *(need.timeout_s for need in needs))
    delay_s = config.connect_delay_s
    gaps = {
        device.unit: need.request_gap_s if device.request_gap_s is None else device.request_gap_s
        for device, need in zip(config.devices, needs, strict=True)
    }
    return Bus(
        parse_bus_url(config.url),
        timeout_s=timeout_s,
        connect_delay_s=max(need.connect_delay_s for need in needs) if delay_s is None else delay_s,
        request_gap_s=config.request_gap_s,
        unit_gaps_s={unit: gap_s for unit, gap_s in gaps.items() if gap_s},
    )


def line_load(config: BusConfig, library: Library) -> float | None:
    """The part of a serial line's time that its readings take, 1.0: all of it; None for what is no serial line."""
    address = parse_bus_url(config.url)
    if address.scheme != "rtu":
        return None
    return sum(_cycle_s(library.get(device.profile), address.baud) / device.interval_s for device in config.devices)


def _cycle_s(profile: Profile, baud: int) -> float:
    """Seconds one reading of a device takes on the line."""
    requests = locate(profile, {}).requests
    frames = _REQUEST_BYTES + _ANSWER_BYTES + _SILENCE_BYTES
    line_bytes = sum(frames + 2 * request.count for request in requests)
    return line_bytes * _BITS_A_BYTE / baud + len(requests) * (_DEVICE_S + profile.pacing.request_gap_s)
