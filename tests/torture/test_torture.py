"""The short form, on both stores; `make torture` is the long one."""

from __future__ import annotations

import os

import pytest

from tests.torture.harness import torture
from tests.torture.installation import missing

KILLS = int(os.environ.get("COMMONWATT_KILLS", "12"))

pytestmark = [pytest.mark.system, pytest.mark.timeout(300 + 6 * KILLS)]


@pytest.mark.parametrize("store", ["embedded", "influxdb"])
async def test_nothing_committed_is_lost_doubled_or_altered_whatever_happens(tmp_path, store):
    if lack := missing(store):
        pytest.skip(lack)
    verdict = await torture(tmp_path, store, most_kills=KILLS, seed=7)
    assert not verdict.other_quarters
    assert not verdict.ended_alone
    assert verdict.clean, verdict
    assert verdict.kills == KILLS
    assert verdict.committed > 200
    assert verdict.quarters > 0
