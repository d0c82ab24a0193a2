"""Home Assistant MQTT discovery, where it is switched on: every device of this gateway with its quantities.

One retained message a device announces it (https://www.home-assistant.io/integrations/mqtt/, "Device discovery payload");
its newest reading is a retained message of its own, because a data message holds many devices and may be an old one.
What was announced is noted in a file, so that it is taken back when it is switched off or a device goes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from energy.quantities import QUANTITIES, Kind
from gateway.p1 import ALSO, FED_BY
from gateway.profile import Profile
from messaging import topics
from messaging.codec import Reading, Value

__all__ = ["HomeAssistant", "HomeAssistantConfig", "announcement"]

log = logging.getLogger(__name__)

_CLASSES: Final = {
    "W": "power",
    "var": "reactive_power",
    "VA": "apparent_power",
    "V": "voltage",
    "A": "current",
    "Hz": "frequency",
    "Wh": "energy",
    "°C": "temperature",
    "W/m²": "irradiance",
}
_CLASS_OF: Final = {"power_factor": "power_factor", "soc_pct": "battery", "gas_m3": "gas", "water_m3": "water"}
_STALE_INTERVALS: Final = 3
_COUNTED_APART: Final = ("gas_m3", "water_m3", "heat_wh")  # by the hour, in readings of their own

Publish = Callable[[str, bytes], Awaitable[None]]
"""Publishes a retained message; raises StoreError."""


class HomeAssistantConfig(BaseModel):
    """Whether and where devices are announced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    prefix: str = Field(
        default="homeassistant", pattern=r"^[^/#+\s]+$", description="Home Assistant's discovery prefix"
    )


def announcement(
    names: tuple[str, str], device: str, profile: Profile, interval_s: float, version: str
) -> dict[str, Any]:
    """The discovery payload of one device. `names`: community and gateway."""
    told = [*FED_BY, *ALSO] if profile.protocol == "p1" else [p.name for p in profile.points if p.name]
    return {
        "device": {
            "identifiers": [_object_id(names, device)],
            "name": device,
            "manufacturer": profile.manufacturer,
            "model": profile.model,
        },
        "origin": {"name": "commonwatt", "sw_version": version},
        "state_topic": topics.state(*names, device),
        "availability_topic": topics.status(*names),
        "availability_template": "{{ 'online' if value_json.online else 'offline' }}",
        "components": {name: _component(_object_id(names, device), name, interval_s) for name in dict.fromkeys(told)},
    }


def _component(device: str, quantity: str, interval_s: float) -> dict[str, Any]:
    facts = QUANTITIES[quantity]
    component: dict[str, Any] = {
        "platform": "sensor",
        "unique_id": f"{device}_{quantity}",
        "name": quantity,
        # a quantity that gave no valid value is unknown, not the value before
        "value_template": "{{ value_json.v." + quantity + " | default('None') }}",
        "expire_after": max(30, round(_STALE_INTERVALS * interval_s)),
    }
    if facts.kind is Kind.TEXT:
        return component
    if facts.unit:
        component["unit_of_measurement"] = facts.unit
    if device_class := _CLASS_OF.get(quantity) or _CLASSES.get(facts.unit):
        component["device_class"] = device_class
    component["state_class"] = "total_increasing" if facts.kind is Kind.COUNTER else "measurement"
    return component


def _object_id(names: tuple[str, str], device: str) -> str:
    return "_".join(("commonwatt", *names, device)).replace("/", "_")


class HomeAssistant:
    """Announces devices, passes their newest readings on, and takes back what is not announced any more."""

    def __init__(
        self,
        config: HomeAssistantConfig,
        names: tuple[str, str],
        devices: Mapping[str, tuple[Profile, float]],
        file: Path,
        publish: Publish,
        *,
        version: str,
    ) -> None:
        self.enabled = config.enabled
        self._names = names
        self._file = file
        self._publish = publish
        self._newest: dict[str, Reading] = {}
        self._counted: dict[str, dict[str, Value]] = {}
        self._announced = {
            f"{config.prefix}/device/{_object_id(names, device)}/config": json.dumps(
                announcement(names, device, profile, interval_s, version)
            ).encode()
            for device, (profile, interval_s) in (devices.items() if config.enabled else ())
        }
        self._states = {topics.state(*names, device) for device in (devices if config.enabled else ())}

    async def connected(self) -> None:
        """Announces; first takes back what an earlier configuration announced. Raises StoreError."""
        retained = [*self._announced, *self._states]
        for topic in self._noted():
            if topic not in retained:
                await self._publish(topic, b"")
        self._note(retained)
        for topic, payload in self._announced.items():
            await self._publish(topic, payload)

    def observe(self, reading: Reading) -> None:
        """A device's newest reading."""
        if not self.enabled:
            return
        counted = self._counted.setdefault(reading.device, {})
        counted.update((name, reading.v[name]) for name in _COUNTED_APART if name in reading.v)
        self._newest[reading.device] = msgspec.structs.replace(reading, v={**reading.v, **counted})

    async def send(self) -> None:
        """Passes on what was read since the last time. Raises StoreError."""
        while self._newest:
            device, reading = self._newest.popitem()
            payload = msgspec.json.encode({"t": reading.t, "v": reading.v})
            await self._publish(topics.state(*self._names, device), payload)

    def _noted(self) -> list[str]:
        try:
            noted = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [topic for topic in noted if isinstance(topic, str)] if isinstance(noted, list) else []

    def _note(self, retained: list[str]) -> None:
        """Before they are published, so that a crash leaves nothing behind that nobody knows of."""
        try:
            if retained:
                self._file.write_text(json.dumps(retained), encoding="utf-8")
            else:
                self._file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: cannot be written: %s", self._file, error.strerror)
