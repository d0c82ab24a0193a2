"""What a gateway takes does not grow with time: the short form of `python -m benchmarks month`.

Its clock moves on when everything a cycle brings is done, so the figures do not depend on how busy the machine is.
"""

from __future__ import annotations

import pytest

from benchmarks.edge_month import Life, lived
from cli.broker import mosquitto_binary

CYCLES = 800
OUTAGE = (100, 300)  # sets the high-water mark
BACK_TO_NORMAL = 450

pytestmark = pytest.mark.timeout(400)


@pytest.mark.skipif(mosquitto_binary() is None, reason="mosquitto is not installed")
def test_memory_and_open_files_stay_the_same_after_an_outage_and_its_drain():
    looks, confirmed = lived(Life(CYCLES, *OUTAGE), 16)
    assert confirmed == CYCLES
    after = [look for look in looks if look.cycle > BACK_TO_NORMAL]
    assert max(look.memory_mb for look in looks) < 80
    assert max(look.memory_mb for look in after) - min(look.memory_mb for look in after) < 0.5
    assert len({look.files for look in looks}) == 1
