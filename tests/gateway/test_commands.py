"""Commands off the wire: what is refused, what is handed on."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.commands import Commands
from gateway.control import DeviceControl
from gateway.leases import Permit
from gateway.metrics import Metrics
from gateway.polling import FieldDevice
from gateway.profile import Library
from runtime.clock import ManualClock

HOUR = 3600


class Recorder(DeviceControl):
    """A control that only notes what it would execute."""

    def __init__(self, clock):
        device = FieldDevice("site/battery", 1, Library().get("sunspec-storage-704"), 10.0)
        super().__init__(device, None, {"power_w": Permit("W", -5000.0, 5000.0)}, clock, lambda _: None)
        self.submitted = []

    def submit(self, command):
        self.submitted.append(command)


class Channel:
    def __init__(self):
        self.clock = ManualClock()
        self.control = Recorder(self.clock)
        self.results = []
        self.metrics = Metrics()
        self.commands = Commands([self.control], self.clock, self.results.append, self.metrics)

    def send(self, *, retained=False, **changes):
        fields = {"id": "1", "device": "site/battery", "set": {"power_w": 100}, "ttl_s": 60, "issued_by": "x"}
        fields |= {"reason": "y", "t": self.clock.now_ms(), **changes}
        self.commands.receive(json.dumps(fields).encode(), retained=retained)


@pytest.fixture
def channel():
    return Channel()


def test_proper_command_reaches_its_device(channel):
    channel.send()
    assert [command.id for command in channel.control.submitted] == ["1"]
    assert channel.results == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ttl_s": 301}, "ttl_s"),
        ({"ttl_s": -1}, "ttl_s"),
        ({"ttl_s": "60"}, "ttl_s"),
        ({"set": {"power": 1}}, "unknown quantity"),
        ({"set": {"power_w": "much"}}, "finite number"),
        ({"set": {"power_w": 1e30}}, "between"),
        ({"set": {"power_w": 5000.5}}, "limits"),
        ({"set": {"state": "boost"}}, "cannot be commanded"),
        ({"device": "site/pv"}, "no such device"),
        ({"device": "elsewhere/battery"}, "no such device"),
        ({"t": 0}, "stale"),
        ({"retained": True}, "retained"),
    ],
)
def test_improper_command_is_refused_with_its_id_and_reason(channel, changes, reason):
    channel.send(**changes)
    assert channel.control.submitted == []
    (result,) = channel.results
    assert (result.id, result.state) == ("1", "refused")
    assert reason in result.reason


def test_replayed_command_is_refused(channel):
    channel.send()
    channel.send()
    assert len(channel.control.submitted) == 1
    assert channel.results[0].state == "refused"
    assert "replayed" in channel.results[0].reason


@pytest.mark.parametrize("step_s", [-24 * HOUR, -HOUR, HOUR, 24 * HOUR])
def test_command_is_refused_when_our_wall_clock_stepped(channel, step_s):
    issued = channel.clock.now_ms()
    channel.clock.step_wall(step_s)
    channel.send(t=issued)
    assert channel.control.submitted == []
    assert "clocks" in channel.results[0].reason


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b"\xff\xfe", b'{"id": 1}', b'{"device": "x"}', b"{" * 5000, rb'{"id": "\ud800"}']
)
def test_unreadable_command_is_counted_and_does_no_harm(channel, payload):
    channel.commands.receive(payload, retained=False)
    assert channel.control.submitted == []
    assert channel.results == []
    assert channel.metrics.malformed == 1


async def test_loop_that_stood_still_is_noticed(channel):
    told = []
    channel.control.stalled = told.append
    watch = asyncio.create_task(channel.commands._watch_loop())
    await channel.clock.advance(60)
    assert told == []
    channel.clock._move_to(channel.clock.monotonic() + 30)  # time passes and no task runs
    await channel.clock.advance(5)
    watch.cancel()
    assert len(told) == 1
    assert told[0] > 10
