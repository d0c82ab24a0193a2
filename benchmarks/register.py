"""How long the register's everyday writes and reads take: alone, and while another process writes.

    python benchmarks/register.py [--url postgresql+psycopg://...]
    python benchmarks/register.py --day

Prints medians and 99th percentiles in milliseconds, of a register with 2,000 commands and 500 alerts; with `--day` what a
day of one device leaves whose lease of 60 s stands unchanged: each renewal a command of its own, or counted.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from energy.renewals import renewal_of, replaced_by
from storage.register import Alert, Register
from storage.register.settings import RegisterSettings

ROOT = Path(__file__).parents[1]
T = 1_750_000_000_000
WRITER = """
import sys
from benchmarks_register import open_register
register = open_register(sys.argv[1])
n = 0
while True:
    register.record_result(f"other-{n % 500}", "applied", "ok", n)
    n += 1
"""


def open_register(where: str) -> Register:
    """A register by its path or URL."""
    if "://" not in where:
        return Register(Path(where))
    return Register(RegisterSettings(url=where))


def alert(n: int, state: str = "firing") -> Alert:
    return Alert(
        f"a{n}", "surplus", "ixelles", "info", state, "surplus_w", 5100.0, 5000.0, 1000.0, T + n, raised_at=T + n
    )


def ask(register: Register, n: int) -> None:
    register.record_command(
        f"c{n}",
        "hall/battery",
        {"power_w": -3000},
        60,
        issued_by="rule",
        reason="surplus",
        t=T + n,
        ends_at=T + n + 60_000,
    )


def timed(name: str, job: Callable[[int], object], times: int) -> None:
    job(0)
    took = []
    for n in range(times):
        begun = time.perf_counter()
        job(n)
        took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    print(f"  {name:32} {statistics.median(took):7.2f} median {took[int(len(took) * 0.99)]:7.2f} p99  ({times})")


def measure(register: Register) -> None:
    timed("record_command", lambda n: ask(register, 10_000 + n), 300)
    timed("record_result", lambda n: register.record_result(f"c{10_000 + n}", "applied", "ok", T + n), 300)
    timed("save_alert", lambda n: register.save_alert(alert(n % 500)), 300)
    timed("quarantine", lambda n: register.quarantine("t", str(n).encode(), "no JSON", n), 300)
    timed("commands(100)", lambda _: register.commands(100), 100)
    timed("commands active", lambda _: register.commands(1000, active_only=True, now_ms=T + 10**9), 300)
    timed("alerts open", lambda _: register.alerts(open_only=True), 100)


def a_day(path: Path, renewal: Callable[[str], str]) -> None:
    """What collector and gateway tell the register of one standing lease, renewed every 27 s."""
    register, lease, before = Register(path), "c1", ""
    began = time.perf_counter()
    for t in range(T, T + 86_400_000, 27_000):
        asked = {"issued_by": "balancer", "reason": "Stores 3.0 kW that its own roof has left.", "t": t}
        register.record_command(lease, "hall/battery", {"power_w": -3000.0}, 60, **asked, ends_at=t + 60_000)
        if before:
            register.record_result(before, "reverted", replaced_by(lease), t + 40)
        register.record_result(lease, "applied", "power_w = -3000.0 for 60 s, read back", t + 40)
        before, lease = lease, renewal(lease)
    took_s = time.perf_counter() - began
    register.close()
    with closing(sqlite3.connect(path)) as file:
        rows = [file.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("command", "trail")]
    print(f"  {rows[0]:6} commands {rows[1]:6} steps {path.stat().st_size / 1024:7.0f} KiB  written in {took_s:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--day", action="store_true")
    if parser.parse_args().day:
        with tempfile.TemporaryDirectory() as folder:
            print("a day of one standing lease: each renewal a command, then counted")
            a_day(Path(folder, "before.db"), lambda _: uuid.uuid4().hex)
            a_day(Path(folder, "after.db"), renewal_of)
        return
    with tempfile.TemporaryDirectory() as folder:
        where = parser.parse_args().url or f"{folder}/register.db"
        begun = time.perf_counter()
        register = open_register(where)
        print(f"opened and made in {time.perf_counter() - begun:.2f} s")
        for n in range(2000):
            ask(register, n)
        for n in range(500):
            register.save_alert(alert(n, "firing" if n < 50 else "cleared"))
        print("alone:")
        measure(register)
        code = WRITER.replace("benchmarks_register", "benchmarks.register")
        other = subprocess.Popen([sys.executable, "-c", code, where], cwd=ROOT)
        time.sleep(1)
        print("while another process writes:")
        measure(register)
        other.kill()
        other.wait()
        register.close()


if __name__ == "__main__":
    main()
