"""The doctor's look at the machine: its clock, disk, serial ports, and who else has a file open."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cli.doctor.check import Check
from runtime.clock import Clock

__all__ = ["check_clock", "check_disk", "check_serial_name", "check_serial_port"]

_EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_TOOL_S = 3.0
_OFFSET_WARN_S = 1.0
_OFFSET_FAIL_S = 60.0
_MB = 1024 * 1024
_LEAST_FREE_MB = 100
_CHRONY_OFFSET, _CHRONY_LEAP = 4, 13  # columns of `chronyc -c tracking`
_ADAPTERS = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS[0-9]")


async def check_clock(clock: Clock) -> Check:
    """Quarter-hours and leases hang on the clock: sane, and kept by NTP."""
    now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
    told = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if not _EARLIEST <= now < _LATEST:
        return Check.fail(
            "clock", f"says {told}", "set it (`sudo date -u -s ...`) and switch NTP on; see `timedatectl`"
        )
    tracking = await _output("chronyc", "-c", "tracking")
    if tracking is not None:
        return _chrony(told, tracking)
    synchronised = await _output("timedatectl", "show", "-p", "NTPSynchronized", "--value")
    if synchronised is None:
        return Check.warn("clock", f"{told}, kept by no time service we know", "`sudo apt install chrony`")
    if synchronised.strip() != "yes":
        return Check.warn("clock", f"{told}, not synchronised", "`sudo timedatectl set-ntp true`, and let UDP 123 out")
    return Check.ok("clock", f"{told}, synchronised by NTP")


def _chrony(told: str, tracking: str) -> Check:
    fields = tracking.strip().split(",")
    try:
        offset_s, leap = float(fields[_CHRONY_OFFSET]), fields[_CHRONY_LEAP]
    except (IndexError, ValueError):
        return Check.warn("clock", f"{told}; chronyc said {tracking.strip()!r}", "look at `chronyc tracking`")
    next_step = "look at `chronyc sources`: are servers reachable on UDP 123? Then `sudo chronyc makestep`"
    if leap == "Not synchronised":
        return Check.warn("clock", f"{told}, not synchronised", next_step)
    seen = f"{told}, {abs(offset_s):.3g} s from NTP"
    if abs(offset_s) > _OFFSET_FAIL_S:
        return Check.fail("clock", seen, next_step)
    return Check.warn("clock", seen, next_step) if abs(offset_s) > _OFFSET_WARN_S else Check.ok("clock", seen)


async def _output(*command: str) -> str | None:
    """What a tool prints; None when it is not there, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_TOOL_S):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return printed.decode(errors="replace") if process.returncode == 0 else None


def check_disk(folder: Path, *, wanted_mb: float = _LEAST_FREE_MB) -> Check:
    """Whether the folder can be written and has room; it may not exist yet."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Check.fail(
            "disk",
            f"{existing} cannot be written by {getpass.getuser()}",
            f"`sudo chown {getpass.getuser()} {existing}`, or run this as the service's user",
        )
    free_mb = shutil.disk_usage(existing).free / _MB
    seen = f"{free_mb / 1024:.1f} GB free at {existing}"
    if free_mb < _LEAST_FREE_MB:
        return Check.fail("disk", seen, "make room: `sudo journalctl --vacuum-size=50M`, `sudo apt clean`")
    if free_mb < wanted_mb:
        return Check.warn("disk", f"{seen}, up to {wanted_mb:.0f} MB may be needed", "make room before an outage does")
    return Check.ok("disk", seen)


def check_serial_port(device: Path, *, used_by: str | None = None) -> Check:
    """Whether a serial line is there, ours to use and used by nobody else. `used_by`: who is known to use it."""
    name = f"serial port {device}"
    if not device.exists():
        return Check.fail(name, "is not there", f"plug the adapter in; {_adapters()}")
    if not stat.S_ISCHR(device.stat().st_mode):
        return Check.fail(name, "is no serial port but a file", "correct the bus's url in the configuration")
    if not os.access(device, os.R_OK | os.W_OK):
        user = getpass.getuser()
        return Check.fail(name, f"{user} may not use it", f"`sudo usermod -aG dialout {user}`, then log in again")
    others = list(_holders(device)) or ([used_by] if used_by else [])
    if others:
        return Check.warn(
            name,
            f"in use by {', '.join(others)}; its devices are left alone, two readers spoil each other's answers",
            "stop the gateway (`sudo systemctl stop 'commonwatt-gateway@*'`) and run this again",
        )
    return Check.ok(name, "is there and free")


def check_serial_name(device: Path) -> Check | None:
    """A warning when an adapter is named by its number of the day and several are plugged in; None: all is well."""
    stable = _stable_name(device)
    if stable is None:
        return None
    seen = "may be another adapter after the next start: names like this one follow the order of plugging in"
    return Check.warn(f"serial port {device}", seen, f"write {stable} in the bus's url")


def _adapters() -> str:
    there = sorted(str(path) for pattern in _ADAPTERS for path in Path("/dev").glob(pattern))
    return f"ports of this machine: {', '.join(there)}" if there else "this machine has no serial port at all"


def _stable_name(device: Path) -> Path | None:
    """The name by id of an adapter that is configured by its number of the day, where several could swap them."""
    links = [path for path in Path("/dev/serial/by-id").glob("*") if path.resolve() == device]
    several = len(list(Path("/dev").glob("ttyUSB*"))) > 1
    return links[0] if links and several else None


def _holders(path: Path) -> Iterator[str]:
    """Other processes that have a file open, as `name (pid)`: those of this user, or all for root."""
    wanted = path.resolve()
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            if any(link.resolve() == wanted for link in (process / "fd").iterdir()):
                yield f"{(process / 'comm').read_text().strip()} ({process.name})"
        except OSError:  # gone meanwhile, or not ours to look into
            continue
