"""The device library as a page: `python -m gateway.library_docs > docs/devices.md`. A test keeps the page as it is here."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from energy.quantities import Role
from gateway.p1 import ALSO, FED_BY
from gateway.profile import Control, Library, Profile

__all__ = ["main", "render"]

_HEAD: Final = """\
# Devices

The device library, written by `python -m gateway.library_docs` from gateway/profiles/; every device is one YAML file
there, with no code behind it. `commonwatt profiles NAME` shows one, `commonwatt scan` finds which fits a device.

**Verified** says how far the facts go: *two sources* that do not copy each other agree on them, *one source* is known, or
*simulated* only; where one source only tells a single register of a device of two, the device's entry names it. Tests
compare the profiles with a table of these sources' registers that is kept apart (tests/gateway/fixtures/
vendor_registers.csv), SunSpec's with the standard's own definitions, read every point back from a real Modbus server, and apply every control there and take
it back. **Not verified**: nobody has tried each of them on the device itself. Compare the first readings with the
device's display, the sign above all; try a command once by hand and by pulling the gateway's plug.

**Read only** means that the facts do not suffice to command it safely: a setpoint that one source only knows, that wears
flash, or that cannot be read back. It says so under *Know before*. A setpoint without a timer of the device's own is
commanded only where the configuration accepts it (`accept_no_watchdog: true`).

Signs are ours wherever the vendor's differ: grid + import, pv + production, battery + discharge, every consumer +
consumption. A hybrid inverter is two or three devices on one bus: PV, battery and grid meter.
"""
_OWN: Final = """\
## A device of your own

One file of YAML, no code. Put it into a folder, name the folder in the gateway's configuration (`profiles_dir: folder`), and
compare with the display: `commonwatt probe URL --profile my-meter --profiles-dir folder`. This one is complete:

```yaml
profile: my-meter
manufacturer: Example
model: M1 three-phase meter
role: grid
source: ["manual of the M1, table 4"]
verified: one-source
word_order: little  # the low word of a 32-bit value comes first
max_read: 50
points:
  - {point: P sum, name: power_w, unit: W, address: 0x28, function: input, type: s32, scale: 0.1, sign: -1}
  - {point: U1, name: voltage_l1_v, unit: V, address: 0, function: input, type: s32, scale: 0.1}
  - {point: kWh in, name: energy_import_wh, unit: Wh, address: 0x34, function: input, type: u32, scale: 100}
  - {point: state, name: state, address: 0x102, type: u16, states: {0: ok, 1: phase missing}}
traps:
  - The meter counts export as positive; the sign turns it round.
```

`address` is 0-based as on the wire, `scale` and `sign` make the register's number the quantity in `unit`; `invalid` and
`range` tell what is no value. gateway/profile.py names every key, gateway/profiles/ has an example of each.
"""
_ROLES: Final = {
    Role.GRID: "Meters",
    Role.PV: "PV inverters",
    Role.BATTERY: "Batteries",
    Role.EV: "Charging stations",
    Role.HEAT_PUMP: "Heat pumps",
    Role.LIGHTING: "Lighting",
    Role.LOAD: "Loads",
}
_VERIFIED: Final = {"two-sources": "two sources", "one-source": "one source", "simulated": "simulated"}


def render(library: Library) -> str:
    """The page in Markdown: an overview, then every device by its role."""
    profiles = [library.get(name) for name in library.names()]
    parts = [_HEAD, _overview(profiles)]
    for role, title in _ROLES.items():
        members = [profile for profile in profiles if profile.role is role]
        if members:
            parts += [f"## {title}\n", *map(_device, members)]
    parts.append(_OWN)
    return "\n".join(parts)


def _overview(profiles: Iterable[Profile]) -> str:
    rows = [
        f"| [{profile.profile}](#{profile.profile}) | {profile.manufacturer} | {profile.role} | "
        f"{', '.join(control.quantity for control in profile.controls) or 'read only'} | {_VERIFIED[profile.verified]} |"
        for profile in profiles
    ]
    return "\n".join(["| profile | manufacturer | role | commanded | verified |", "|---|---|---|---|---|", *rows, ""])


def _device(profile: Profile) -> str:
    lines = [
        f"### {profile.profile}",
        "",
        f"{profile.manufacturer}: {profile.model}. {profile.description}".strip(),
        "",
    ]
    lines += [f"- **Reads** {', '.join(f'`{name}`' for name in _reads(profile))}", f"- **Speaks** {_speaks(profile)}"]
    if not profile.controls:
        lines.append("- **Commanded**: read only")
    for control in profile.controls:
        lines += _control(control)
    lines.append(f"- **Verified** by {_VERIFIED[profile.verified]}: {'; '.join(profile.source)}")
    if single := [point.name or point.point for point in profile.points if point.one_source]:
        lines.append(f"  - of one source only: {', '.join(f'`{name}`' for name in single)}")
    if needs := _needs(profile):
        lines.append(f"- **Needs of its bus** {needs}; the gateway gives it by itself")
    if profile.traps:
        lines += ["- **Know before**", *(f"  - {trap}" for trap in profile.traps)]
    return "\n".join([*lines, ""])


def _reads(profile: Profile) -> list[str]:
    if profile.protocol == "p1":
        return [*FED_BY, *ALSO]
    return list(dict.fromkeys(point.name for point in profile.points if point.name))


def _speaks(profile: Profile) -> str:
    if profile.protocol == "p1":
        return (
            "P1 telegrams: a bus of its own with `url: p1:///dev/ttyUSB0` (115200 baud 8N1) or `url: p1tcp://host:port`"
        )
    if profile.sunspec:
        models = " and ".join(" or ".join(map(str, group)) for group in profile.sunspec.needs)
        return f"Modbus, SunSpec with models {models}; their place is found by walking the chain"
    order = "high word first" if profile.word_order == "big" else "low word first"
    if profile.word_order_from:
        order = "its word order as the device tells it"
    return f"Modbus, {order}, at most {profile.max_read} registers per request"


def _needs(profile: Profile) -> str:
    pacing = profile.pacing
    needs = [
        f"{pacing.connect_delay_s:g} s after connecting" if pacing.connect_delay_s else "",
        f"{pacing.request_gap_s * 1000:g} ms between requests" if pacing.request_gap_s else "",
        f"up to {pacing.timeout_s:g} s for an answer" if pacing.timeout_s else "",
    ]
    return ", ".join(need for need in needs if need)


def _control(control: Control) -> list[str]:
    lines = [f"- **Commanded** `{control.quantity}`: {control.description}"]
    if control.watchdog is None:
        lines.append("  - Own timer: none that this control uses; the gateway checks every 30 s that the value stands")
    else:
        lines.append(
            f"  - Own timer: the device drops the setpoint {control.watchdog.seconds} s after the last renewal"
        )
    lines.append(f"  - Safe state: {control.safe_state}")
    if control.transform is not None and (switch := control.transform.switch) is not None:
        lines.append(
            f"  - With `switch_phases: true`: less than {switch.least_a:g} A on three phases is drawn from one; switched "
            f"at 0 A, every {switch.pause_s:g} s at most"
        )
    if control.unattended:
        lines.append(f"  - Needs `accept_no_watchdog: true`: {control.unattended}")
    if control.min_hold_s:
        lines.append(f"  - A commanded value stands at least {control.min_hold_s:g} s")
    return lines


def main() -> None:
    """Writes the page to standard output."""
    sys.stdout.write(render(Library()))


if __name__ == "__main__":
    main()
