"""From a reading on the wire to a message at a real HTTP server, tried again until it is taken, once over restarts."""

import asyncio
import json
import threading

from messaging.notices import Channel, NotificationSettings
from tests.messaging.test_notices import serving

from .conftest import charge_rule, eventually, make_community
from .test_control import roof_on


def settings(tmp_path, port, **changes):
    file = tmp_path / "urls"
    file.write_text(f"json://127.0.0.1:{port}/alerts\n", encoding="utf-8")
    channel = Channel(id="facility", urls_file=file, min_severity="info", language="fr")
    return NotificationSettings(channels=(channel,), webhook_hosts=("127.0.0.1",), group_s=0, timeout_s=5, **changes)


def titles(hook):
    return [json.loads(body)["title"] for _, body in hook.posts]


async def test_a_raised_alert_reaches_the_channel_once_over_a_restart_and_then_that_it_cleared(
    start, register, wire, tmp_path
):
    community = make_community(rules=[charge_rule()], interval_s=0.3)
    async with serving() as hook, roof_on(wire) as roof:
        wanted = settings(tmp_path, hook.port)
        async with start(community, notifications=wanted):
            await eventually(lambda: hook.posts, timeout_s=40)
            (stored,) = await eventually(
                lambda: [each for each in register.alerts() if any(step.channel == "facility" for step in each.told)]
            )
            assert "facility was told" in stored.evidence[-1].text or len(stored.evidence) > 3
        async with start(community, notifications=wanted) as collector:
            await asyncio.sleep(2.5)
            assert len(hook.posts) == 1
            roof.surplus_w = 0.0
            await eventually(lambda: len(hook.posts) == 2, timeout_s=40)
            assert "close à" in json.loads(hook.posts[1][1])["message"]
            await eventually(lambda: collector.metrics.notices._value.get() == 1)
    assert titles(hook)[0] == "Plus de solaire que la communauté n'en consomme - Ixelles"


async def test_a_channel_that_fails_is_tried_again_and_stops_nothing(start, register, wire, tmp_path):
    community = make_community(rules=[charge_rule()], interval_s=0.3)
    async with serving() as hook, roof_on(wire) as roof:
        hook.status = "503 Later"
        async with start(community, notifications=settings(tmp_path, hook.port)) as collector:
            await eventually(lambda: collector.metrics.notices_failed._value.get() == 1, timeout_s=40)
            await eventually(lambda: roof.lease)
            assert [alert.told for alert in register.alerts()] == [()]
            hook.status = "200 OK"
            collector._notifier._retries.clear()
            await eventually(lambda: collector.metrics.notices._value.get() == 1, timeout_s=40)
    assert [each.what for alert in register.alerts() for each in alert.told] == ["raised"]


async def test_a_server_that_never_answers_delays_neither_the_rules_nor_the_stop(start, register, wire, tmp_path):
    hold = asyncio.Event()

    async def never(_reader, writer):
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    community = make_community(rules=[charge_rule()], interval_s=0.3)
    async with server, roof_on(wire) as roof:
        wanted = settings(tmp_path, port).model_copy(update={"timeout_s": 60.0})
        async with start(community, notifications=wanted):
            await eventually(lambda: any(thread.name == "notice" for thread in threading.enumerate()))
            roof.surplus_w = 0.0
            await eventually(lambda: register.alerts()[0].state == "cleared")
        assert any(thread.name == "notice" and thread.daemon for thread in threading.enumerate())
        hold.set()
