"""What the installer's commands say, as text that fits a narrow terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from energy.errors import DeviceError
from energy.plausibility import Doubt, doubts_of_device
from energy.quantities import Role
from gateway.p1_probe import P1_PROFILE
from gateway.probe import Found, Probe, ProbedPoint
from gateway.profile import Control, Point, Profile
from gateway.target import Target

if TYPE_CHECKING:
    from cli.field.scanning import Outcome

__all__ = [
    "columns",
    "doubts_text",
    "found_text",
    "library_text",
    "nothing_found",
    "probe_text",
    "profile_text",
]

_HALF_PATIENCE_S = 1.5
_WIDEST = 44
_IN_KWH = 10_000
_SHOWN_REGISTERS = 6
_VERIFIED = {
    "two-sources": "two independent sources agree",
    "one-source": "one source only: compare with the device's display before you trust it",
    "simulated": "only against a simulated device",
}


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Rows as aligned columns, the last as wide as it is."""
    widths = [min(_WIDEST, max(len(row[i]) for row in rows)) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append((indent + "  ".join([*cells, row[-1]])).rstrip())
    return "\n".join(lines)


def library_text(profiles: Sequence[Profile]) -> str:
    """One line for each profile."""
    rows = [("profile", "role", "commands", "verified", "device")]
    for profile in profiles:
        commands = ", ".join(control.quantity for control in profile.controls) or "-"
        device = f"{profile.manufacturer}: {profile.model}"
        rows.append((profile.profile, profile.role.value, commands, profile.verified, device))
    return columns(rows) + "\n\n`commonwatt profiles NAME` shows one with its points, limits and traps"


def profile_text(profile: Profile) -> str:
    """Everything an installer wants to know of a model."""
    parts = [f"{profile.profile}: {profile.manufacturer}, {profile.model}"]
    parts += [profile.description] if profile.description else []
    parts.append(f"role      {profile.role.value}\nverified  {_VERIFIED[profile.verified]}")
    if profile.sunspec:
        needs = ", ".join("/".join(map(str, group)) for group in profile.sunspec.needs)
        parts.append(f"finds its registers by SunSpec; needs models {needs}")
    rows = [("quantity", "unit", "point", "where", "type")]
    rows += [(point.name or "-", point.unit, point.point, _where(point), point.type) for point in profile.points]
    parts.append(columns(rows, "  "))
    parts += [_control_text(profile, control) for control in profile.controls]
    parts += ["traps\n" + "\n".join(f"  - {trap}" for trap in profile.traps)] if profile.traps else []
    parts.append("source\n" + "\n".join(f"  - {source}" for source in profile.source))
    return "\n\n".join(parts)


def _where(point: Point) -> str:
    if point.address is not None:
        return f"{point.function} {point.address}"
    return f"model {'/'.join(map(str, point.models))} +{point.offset}"


def _control_text(profile: Profile, control: Control) -> str:
    lines = [f"commands {control.quantity}: {control.description}".rstrip(": ")]
    if texts := profile.setpoint_texts(control):
        lines.append(f"  takes       {', '.join(texts)}")
    elif control.low is not None or control.high is not None:
        low = "no lower limit" if control.low is None else f"{control.low:g}"
        high = "the limit in the gateway's configuration" if control.high is None else f"{control.high:g}"
        lines.append(f"  takes       {low} to {high}")
    if control.watchdog:
        lines.append(f"  watchdog    the device drops a setpoint after {control.watchdog.seconds} s by itself")
    else:
        lines.append("  watchdog    none: the gateway alone ends a setpoint")
    lines.append(f"  safe state  {control.safe_state}")
    if control.min_hold_s:
        lines.append(f"  at least    {control.min_hold_s:g} s in a commanded value")
    return "\n".join(lines)


def found_text(url: str, devices: Sequence[Found], *, timeout_s: float | None = None) -> str:
    """What answers on one bus, and the next step for each. `timeout_s`: what slow devices need, None: the usual."""
    patience = f" --timeout {timeout_s:g}" if timeout_s else ""
    lines = [f"{url}: {len(devices)} {'device' if len(devices) == 1 else 'devices'}"]
    for group in _same_devices(devices):
        first = group[0]
        lines.append(f"  unit {', '.join(str(device.unit) for device in group)}: {_who(first)}")
        if first.profiles:
            others = ", ".join(first.profiles[1:4])
            lines.append(f"    profile  {first.profiles[0]}" + (f"  (also fits: {others})" if others else ""))
            lines.append(f"    next     commonwatt probe '{url}' --unit {first.unit}{patience}")
        elif first.sunspec_models:
            lines.append(f"    profile  none; SunSpec models {', '.join(map(str, first.sunspec_models))}")
            lines.append(f"    next     commonwatt probe '{url}' --unit {first.unit}{patience} --profile sunspec")
        else:
            lines.append("    profile  none fits; the device may be asleep (inverters at night) or not in the library")
            lines.append("    next     compare its model with `commonwatt profiles`")
    return "\n".join(lines)


def _same_devices(devices: Sequence[Found]) -> list[list[Found]]:
    """Some devices answer to every unit number; those with one serial number are one, and those that tell nothing."""
    groups: dict[object, list[Found]] = {}
    for device in devices:
        known = device.profiles or device.sunspec_models
        key = (device.manufacturer, device.model, device.serial) if device.serial or not known else device.unit
        groups.setdefault(key, []).append(device)
    return list(groups.values())


def _who(device: Found | Probe) -> str:
    name = " ".join(part for part in (device.manufacturer, device.model) if part) or "a device of unknown make"
    if isinstance(device, Probe) and device.profile == P1_PROFILE:
        name = "a digital meter"
    return f"{name}, serial {device.serial}" if device.serial else name


def nothing_found(asked: str, targets: Sequence[Target], outcome: Outcome, timeout_s: float | None) -> DeviceError:
    """The error when no unit answered, with what to try."""
    longer = f"`--timeout {2 * (timeout_s or _HALF_PATIENCE_S):g}`"
    if len({target.address.host for target in targets}) > 1:
        hint = "is this machine in the devices' network? Give the device's own address, or a port: tcp://HOST:1502"
        return DeviceError(f"nothing with Modbus answers in {asked}", kind="silent", hint=hint)
    target = targets[0]
    if target.address.rtu_framing:
        hint = f"swap the wires A and B; give each device a number of its own; try another speed and parity (?baud=19200&parity=E); try {longer} and units=1-247"
    else:
        hint = (
            f"is Modbus TCP switched on in the device? Try {longer} and ?units=1-247; behind a converter that passes "
            f"serial frames on: rtutcp://{target.address.host}:{target.address.port}"
        )
    urls = ", ".join(dict.fromkeys(one.url for one in outcome.asked))
    units = f"{len(target.units)} unit numbers asked, {min(target.units)} to {max(target.units)}"
    return DeviceError(f"nothing answers on {urls or target.url} ({units})", kind="silent", hint=hint)


def probe_text(device: Probe, url: str, unit: int) -> str:
    """Every point, those that feed a quantity first."""
    version = f", version {device.version}" if device.version else ""
    place = url if url.startswith("p1") else f"{url}, unit {unit}"
    head = f"{_who(device)}{version}\nprofile {device.profile}, {place}"
    rows = [("quantity", "value", "point", "registers")]
    rows += [
        (point.name or "-", _value_text(point), point.source, _registers_text(point.registers))
        for point in sorted(device.points, key=lambda point: point.name is None)
    ]
    missing = [point.name for point in device.points if point.name and point.value is None]
    notes = f"\n\nno value: {', '.join(missing)}" if missing else ""
    return f"{head}\n\n{columns(rows)}{notes}"


def _value_text(point: ProbedPoint) -> str:
    value, unit = point.value, point.unit
    if value is None:
        return "missing"
    if unit == "Wh" and isinstance(value, int | float) and abs(value) >= _IN_KWH:
        value, unit = value / 1000, "kWh"
    number = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    text = f"{number} {unit}".rstrip()
    return f"{text} ({point.meaning})" if point.meaning else text


def _registers_text(registers: Sequence[int]) -> str:
    shown = " ".join(map(str, registers[:_SHOWN_REGISTERS]))
    return (f"{shown} .. {len(registers)} in all" if len(registers) > _SHOWN_REGISTERS else shown) or "-"


def doubts_text(device: Probe, role: Role | None) -> str:
    """What looks wrong about a device's values; empty when nothing does."""
    values: dict[str, float | int | str] = {}
    for point in device.points:
        if point.name and point.value is not None:
            before = values.get(point.name)
            if isinstance(before, int | float) and isinstance(point.value, int | float):
                values[point.name] = before + point.value  # points that feed one quantity add up
            else:
                values[point.name] = point.value
    doubts: list[Doubt] = doubts_of_device(role, values) if role else []
    return "\n".join(f"check: {doubt.what}\n  next: {doubt.next_step}" for doubt in doubts)
