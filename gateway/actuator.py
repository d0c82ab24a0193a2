"""Writes a control to a device through its profile and reads it back: a setpoint, or the safe state."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from energy.errors import DataError, DeviceError
from gateway.device import Layout, Located, Transport, first_located, physical, read_point, read_power
from gateway.phases import Phases, wanted_phases
from gateway.profile import Control, Direction, Transform, Write
from gateway.registers import encode
from messaging.codec import Value

__all__ = ["Actuator"]

_READBACK_PAUSE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Step:
    """One write made ready: the words, and what reading them back must give."""

    write: Write
    place: Located
    words: list[int]
    power: int

    @property
    def expected(self) -> Value | None:
        return physical(self.place, self.words, self.power & 0xFFFF)


class Actuator:
    """The controls of one device. Every method raises DeviceError when the device does not do as told.

    `may_wear` is asked before a setpoint's write that wears the device's flash; a safe state is written in any case.
    `phases`: when the charger's were switched; None: they are left as they are.
    """

    def __init__(
        self,
        transport: Transport,
        unit: int,
        layout: Layout,
        *,
        may_wear: Callable[[], bool] = lambda: True,
        phases: Phases | None = None,
    ) -> None:
        self._transport = transport
        self._unit = unit
        self._layout = layout
        self._may_wear = may_wear
        self._phases = phases

    async def apply(self, control: Control, value: Value, lease_s: float) -> float:
        """Writes a setpoint (in the quantity's unit, or a state's text) and reads it back.

        `lease_s`: how long it may stand without us; inf for no limit. Returns the seconds after which the device
        itself drops it, inf when it never does.
        """
        watchdog_s = _watchdog_s(control, lease_s)
        if self._phases is not None and control.transform is not None and isinstance(value, int | float):
            await self._choose_phases(control, control.transform, value, watchdog_s)
        number = await self._number_of(control, value)
        await self._execute(control, _towards(control, number), _computed(number, watchdog_s), spare_flash=True)
        await self._read_back(
            [await self._prepare(write, {}) for write in _confirming(control)], control.readback_within_s
        )
        if control.watchdog is None:
            return math.inf
        return await self._remaining_s(control, watchdog_s or math.inf)

    async def make_safe(self, control: Control) -> None:
        """Writes the profile's safe state and reads it back."""
        await self._execute(control, control.safe, {}, spare_flash=False)

    async def stands(self, control: Control, value: Value | None) -> bool:
        """Whether the device shows the setpoint (None: the safe state) as it was last written."""
        number = 0.0 if value is None else await self._number_of(control, value)
        writes = control.safe if value is None else _towards(control, number)
        watched = [write for write in writes if write.verify]
        if value is not None:
            watched += _confirming(control)
        steps = [await self._prepare(write, _computed(number, 0.0)) for write in watched]
        return not [step for step in steps if not _holds(step, await self._read(step))]

    async def _number_of(self, control: Control, value: Value) -> float:
        """The raw number of a state's text, or the setpoint as the device counts it."""
        if isinstance(value, str):
            return float(self._layout.profile.setpoint_texts(control)[value])
        return await self._transformed(control.transform, value)

    async def _choose_phases(self, control: Control, transform: Transform, power_w: float, watchdog_s: float) -> None:
        """Switches a charger to as many phases as the power is for, when it may be."""
        switch, phases = transform.switch, self._phases
        if switch is None or phases is None:
            return
        point = str(transform.phases)
        wanted = wanted_phases(transform, power_w)
        if wanted is None or phases.wait_s(switch.pause_s) > 0 or await self._number(point) == wanted:
            return
        phases.switched()  # a switching that fails counts, too
        await self._execute(control, _towards(control, 0.0), _computed(0.0, watchdog_s), spare_flash=True)
        idle = Write(point=switch.idle, value=0.0, verify=True, tolerance=switch.idle_below_w)
        await self._read_back([await self._prepare(idle, {})], switch.idle_within_s)
        to = Write(point=point, value=wanted, verify=True)
        await self._execute(control, [to], {}, spare_flash=True)

    async def _execute(
        self, control: Control, writes: Sequence[Write], computed: dict[str, float], *, spare_flash: bool
    ) -> None:
        steps = [await self._prepare(write, computed) for write in writes]
        for step in steps:
            await self._write(step, spare_flash=spare_flash)
        await self._read_back([step for step in steps if step.write.verify], control.readback_within_s)

    async def _write(self, step: _Step, *, spare_flash: bool) -> None:
        point, place = step.place.point, step.place
        if point.wears:
            if _holds(step, await self._read(step)):
                return
            if spare_flash and not self._may_wear():
                raise DeviceError(
                    f"{place.label} wears the device's flash and was written too often today",
                    kind="wear",
                    hint="command it less often; its safe state is still written",
                )
        if point.single:
            await self._transport.write(self._unit, point.function, place.address, step.words, single=True)
        else:
            await self._transport.write(self._unit, point.function, place.address, step.words)

    async def _prepare(self, write: Write, computed: dict[str, float]) -> _Step:
        place = self._located(write.point)
        power = await read_power(self._transport, self._unit, place)
        if not isinstance(write.value, str):
            number = write.value
        elif write.value in computed:
            number = computed[write.value]
        else:
            number = await self._number(write.value)
        point = place.point
        number = number / (point.sign * point.scale)
        raw = number / 10**power if power >= 0 else number * 10**-power
        try:
            words = encode(raw, place.register_type, place.word_order)
        except DataError as error:
            raise DeviceError(f"{place.label}: {error.message}", kind="range") from error
        return _Step(write, place, words, power)

    async def _read_back(self, steps: list[_Step], within_s: float) -> None:
        deadline = asyncio.get_running_loop().time() + within_s
        waiting = steps
        while waiting:
            seen = [(step, await self._read(step)) for step in waiting]
            waiting = [step for step, value in seen if not _holds(step, value)]
            if not waiting:
                return
            if asyncio.get_running_loop().time() >= deadline:
                step, value = next((step, value) for step, value in seen if step in waiting)
                raise DeviceError(
                    f"{step.place.label} reads back {value}, not {step.expected}",
                    kind="readback",
                    hint="remote control may be switched off on the device, or another controller has it",
                )
            await asyncio.sleep(_READBACK_PAUSE_S)

    async def _read(self, step: _Step) -> Value | None:
        place = step.place
        words = await self._transport.read(self._unit, place.point.function, place.address, len(step.words))
        return physical(place, words, step.power & 0xFFFF)

    async def _transformed(self, transform: Transform | None, value: float) -> float:
        if transform is None:
            return value
        if transform.percent_of:
            base = first_located(self._layout, transform.percent_of)
            if base is None:
                raise DeviceError(f"it has none of {', '.join(transform.percent_of)}", kind="profile")
            nameplate = await self._number(base.point.point)
            if nameplate <= 0:
                raise DeviceError(f"its {base.label} is {nameplate:g}", kind="garbage")
            return max(-100.0, min(100.0, 100 * value / nameplate))
        if transform.amperes_at_v is None:
            return value
        phases = await self._number(transform.phases) if isinstance(transform.phases, str) else float(transform.phases)
        if self._phases is not None and transform.switch is not None:
            return _charger_current(transform, self._phases.current_a(transform, value, phases))
        return _charger_current(transform, value / (transform.amperes_at_v * max(1.0, phases)))

    async def _remaining_s(self, control: Control, watchdog_s: float) -> float:
        assert control.watchdog is not None
        if control.watchdog.remaining is None:
            return watchdog_s
        remaining = await self._number(control.watchdog.remaining)
        return min(watchdog_s, remaining) if remaining > 0 else watchdog_s

    async def _number(self, name: str) -> float:
        value, _ = await read_point(self._transport, self._unit, self._located(name))
        if value is None or isinstance(value, str):
            raise DeviceError(f"its {name} gives no number", kind="garbage")
        return float(value)

    def _located(self, name: str) -> Located:
        place = self._layout.located.get(name)
        if place is None:
            raise DeviceError(
                f"it has no {name}", kind="profile", hint="this device cannot be commanded; take its limits out"
            )
        return place


def _charger_current(transform: Transform, amperes: float) -> float:
    """What a charger takes: never more than asked for, and nothing instead of less than its least current."""
    if transform.step_a:
        amperes = math.floor(amperes / transform.step_a + 1e-9) * transform.step_a
    return amperes if amperes >= transform.least_a else 0.0


def _towards(control: Control, number: float) -> list[Write]:
    """The writes for a setpoint of this sign."""
    sign: Direction = "zero" if number == 0 else "positive" if number > 0 else "negative"
    chosen = [write for write in control.apply if not write.when or sign in write.when]
    if not any(sign in write.when for write in chosen) and any(write.when for write in control.apply):
        raise DeviceError(f"it cannot be told a {sign} {control.quantity}", kind="range")
    return chosen


def _confirming(control: Control) -> list[Write]:
    """What is only read: how the device says that it follows."""
    return [Write(point=point, value=value, verify=True) for point, value in control.confirm.items()]


def _computed(number: float, watchdog_s: float) -> dict[str, float]:
    return {"setpoint": number, "magnitude": abs(number), "watchdog_s": watchdog_s}


def _watchdog_s(control: Control, lease_s: float) -> float:
    """What is written as the device's timer: never beyond the lease; 0, which is for ever, only without one."""
    if control.watchdog is None or math.isinf(lease_s):
        return 0.0
    step_s = control.watchdog.step_s
    if lease_s < step_s > 1:
        raise DeviceError(f"its timer counts in {step_s} s: a lease must last that long", kind="range")
    longest_s = min(control.watchdog.seconds, math.ceil(lease_s))
    return max(1.0, longest_s // step_s * step_s)


def _holds(step: _Step, value: Value | None) -> bool:
    expected = step.expected
    if isinstance(value, int | float) and isinstance(expected, int | float):
        return abs(value - expected) <= step.write.tolerance
    return value is not None and value == expected
