"""A real InfluxDB on a full disk: nothing it confirmed is lost, nothing it refused is given up."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing

import pytest

from energy.errors import StoreError
from energy.quantities import Role
from storage.history import DeviceTags, Row
from storage.history.influxdb import InfluxHistory
from tests.storage.conftest import INFLUX_VERSIONS, new_server

T = 1_750_000_500_000
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)
ROWS = 2000


def batch(number: int) -> list[Row]:
    return [Row(PV, T + number * ROWS + n, {"power_w": float(n), "soc_pct": n * 0.37}) for n in range(ROWS)]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of 64 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.influxdb
@pytest.mark.parametrize("version", INFLUX_VERSIONS)
def test_a_full_disk_of_the_server_delays_and_loses_nothing(small_disk, version):
    """Neither version recovers by itself once there is room again; both do when restarted twice.

    The torn entry at the end of the log is cut off at the first restart, and what is written then stands behind a hole:
    the next start would cut it off as well. A second restart before anything is written begins at the right place.
    """
    server = new_server(version, small_disk / "influxdb")
    server.start()
    try:
        with closing(InfluxHistory(server.settings)) as history:
            history.write(batch(0))
            free = os.statvfs(small_disk)
            filler = small_disk / "filler"
            filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 20_000))
            for number in range(1, 20):
                try:
                    history.write(batch(number))
                except StoreError as error:
                    refused, told = number, error
                    break
            else:
                pytest.fail("the disk never was full")
            assert "no space left" in told.message
            assert "make room on the server's disk, then restart it twice" in told.hint
            filler.unlink()
            for _ in range(2):
                server.kill()
                server.start()
            for number in (refused, refused + 1):
                history.write(batch(number))
            server.kill()
            server.start()
            assert history.readings(PV.device, T, T + 99 * ROWS) == [r for n in range(refused + 2) for r in batch(n)]
    finally:
        server.kill()
