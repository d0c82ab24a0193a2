"""From a bus in the configuration to a connection that has the patience its devices need."""

from __future__ import annotations

from typing import Final

from gateway.config import BusConfig
from gateway.modbus import Bus, parse_bus_url
from gateway.profile import Library

__all__ = ["make_bus"]

_TIMEOUT_S: Final = 1.0  # of a bus whose devices need no more


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
