"""The centre in one process, as a newcomer starts it."""

from __future__ import annotations

import cli.centre
from messaging.connection import MqttSettings


def test_own_broker_is_where_a_gateway_looks_first_unless_that_is_taken(tmp_path, monkeypatch):
    taken: list[int] = []
    monkeypatch.setattr(cli.centre, "is_free", lambda port: port not in taken)
    _, usual = cli.centre._own_broker(tmp_path)
    assert (usual.host, usual.port) == (MqttSettings().host, MqttSettings().port)
    taken.append(usual.port)
    _, other = cli.centre._own_broker(tmp_path)
    assert other.port != usual.port
