"""A gateway that is not ours, written from the public contract alone, feeds the running system."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap

import pytest

from tests.system.conftest import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

PUBLISHER = textwrap.dedent(
    """
    import json, sys, time
    import paho.mqtt.client as mqtt

    port, t = int(sys.argv[1]), int(sys.argv[2])
    me, base = "their-gateway", "cw/v1/ixelles/their-gateway"
    pending = {1: 800, 2: 810, 3: 820}
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=me, protocol=mqtt.MQTTv311)

    def on_message(client, userdata, message):
        ack = json.loads(message.payload)
        for seq in ack["seqs"] if ack["epoch"] == "theirs-1" else []:
            pending.pop(seq, None)

    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.subscribe(base + "/ack", qos=1)
    client.loop_start()
    while pending:
        for seq, power in list(pending.items()):
            reading = {"device": "their-hall/grid", "t": t + seq * 1000, "v": {"power_w": power, "energy_import_wh": 1000 + seq}}
            client.publish(base + "/data", json.dumps({"epoch": "theirs-1", "seq": seq, "historical": False, "readings": [reading]}), qos=1)
        time.sleep(1)
    print("confirmed")
    """
)


def test_publisher_written_from_the_contract_is_confirmed_stored_and_shown(demo):
    t = demo.live()["t"] - 10_000
    port = re.search(
        r"^\s*port: (\d+)", (demo.folder / "centre.yaml").read_text().split("mqtt:")[1], re.MULTILINE
    ).group(1)
    result = subprocess.run(
        [sys.executable, "-c", PUBLISHER, port, str(t)], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.strip() == "confirmed"
    history = demo.get(f"/api/v1/sites/their-hall/history?quantity=power_w&step=raw&from={t}&to={t + 60_000}")
    values = [value for series in history["series"] for _, value in series["points"] if value is not None]
    assert values == [800, 810, 820]
    site = eventually(
        lambda: next((s for s in demo.get("/api/v1/sites")["sites"] if s["id"] == "their-hall"), None),
        what="the site's listing",
    )
    assert site["registered"] is False
