"""What the rules are told: leases in force, gateways, connections that broke, and this machine."""

import subprocess
import time

import pytest

from collector.directory import Directory
from collector.live import LiveState
from collector.senses import Senses, look_at_host
from messaging.codec import Command, CommandResult, OutboxStatus, Status
from runtime.clock import ManualClock
from storage.history import DeviceTags, Row

from .conftest import make_community

BATTERY = "ixl-school/battery"


class Bench:
    def __init__(self):
        self.clock = ManualClock(1_750_000_000_000)
        self.community = make_community()
        self.live = LiveState(Directory([self.community]), self.clock)
        self.senses = Senses([self.community], self.live, self.clock.now_ms())
        self.senses.connection(connected=True, now_ms=self.now)

    @property
    def now(self):
        return self.clock.now_ms()

    def facts(self):
        return self.senses.facts(self.community, self.live.picture(), self.now)

    def ask(self, power_w, *, command="c1", ttl_s=60.0):
        self.senses.command_seen(Command(command, BATTERY, {"power_w": power_w}, ttl_s, "jan", "", self.now), self.now)

    def answer(self, state, *, command="c1"):
        self.senses.result(CommandResult(command, state, "", self.now), self.now)


@pytest.fixture
def bench():
    return Bench()


async def test_a_setpoint_stands_since_it_was_applied_and_through_its_renewals(bench):
    bench.ask(-3000.0)
    assert (bench.facts().setpoints, bench.facts().leased) == ({}, {BATTERY})
    bench.answer("applied")
    since = bench.facts().setpoints[BATTERY].since
    await bench.clock.advance(30)
    bench.ask(-3000.0, command="c2")
    bench.answer("applied", command="c2")
    bench.answer("reverted")  # the first, replaced by the second
    assert bench.facts().setpoints[BATTERY].since == since
    bench.ask(1000.0, command="c3")
    bench.answer("applied", command="c3")
    assert bench.facts().setpoints[BATTERY].power_w == 1000.0
    assert bench.facts().setpoints[BATTERY].since == bench.now


@pytest.mark.parametrize("end", ["expired", "reverted", "failed", "refused", "released", "over"])
async def test_a_setpoint_ends_with_its_lease(bench, end):
    bench.ask(-3000.0)
    bench.answer("applied")
    if end == "released":
        bench.ask(0.0, command="c2", ttl_s=0)
    elif end == "over":
        await bench.clock.advance(61)
    else:
        bench.answer(end)
    assert (bench.facts().setpoints, bench.facts().leased) == ({}, frozenset())


async def test_a_gateway_is_offline_since_it_was_heard_to_be(bench):
    bench.senses.status("ixelles", "gw-hall", Status(online=True, outbox=OutboxStatus(3, 1_749_999_000_000)), bench.now)
    assert bench.facts().gateways["gw-hall"].waiting_since == 1_749_999_000_000
    await bench.clock.advance(10)
    since = bench.now
    bench.senses.status("ixelles", "gw-hall", Status(online=False), bench.now)
    await bench.clock.advance(10)
    bench.senses.status("ixelles", "gw-hall", Status(online=False), bench.now)
    gateway = bench.facts().gateways["gw-hall"]
    assert (gateway.online, gateway.since, gateway.waiting_since) == (False, since, None)
    assert "gw-hall" not in bench.senses.facts(bench.community, bench.live.picture(), bench.now).devices


async def test_a_gateway_that_went_keeps_the_end_of_its_certificate_and_one_renewed_tells_another(bench):
    for status, until in (
        (Status(online=True, certificate_until=5), 5),
        (Status(online=False), 5),
        (Status(online=True, certificate_until=9), 9),
        (Status(online=True), None),
    ):
        bench.senses.status("ixelles", "gw-hall", status, bench.now)
        assert bench.facts().gateways["gw-hall"].certificate_until == until


async def test_silence_counts_anew_when_the_broker_came_back(bench):
    await bench.clock.advance(100)
    bench.senses.connection(connected=False, now_ms=bench.now)
    assert not bench.facts().connected
    await bench.clock.advance(1000)
    bench.senses.connection(connected=True, now_ms=bench.now)
    bench.senses.connection(connected=True, now_ms=bench.now + 5)
    assert bench.facts().started == bench.now


def test_what_the_store_had_is_not_live(bench, history):
    tags = DeviceTags("ixelles", "ixl-hall", "ixl-hall/grid", None)
    history.write([Row(tags, bench.now - 1000, {"power_w": 5.0}, ())])
    bench.live.load(history)
    assert not bench.facts().devices["ixl-hall/grid"].live
    bench.live.hear([Row(tags, bench.now, {"power_w": 6.0}, ())])
    assert bench.facts().devices["ixl-hall/grid"].live
    assert "nobody" not in bench.facts().devices


def test_this_machine_tells_its_disk_and_what_is_no_certificate_is_not_known(tmp_path):
    no_certificate = tmp_path / "ca.pem"
    no_certificate.write_text("nothing")
    host = look_at_host([no_certificate], [tmp_path / "not" / "there" / "yet.db"], 0)
    assert host.certificate_days is None
    assert 0 < host.disk_free_pct <= 100
    assert look_at_host([], [], 0).disk_free_pct is None


def test_the_certificate_that_ends_first_counts(tmp_path):
    for name, days in (("long", 300), ("short", 12)):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", "/CN=test", "-days", str(days), "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / name],
            check=True, capture_output=True,
        )  # fmt: skip
    now_ms = time.time_ns() // 1_000_000
    host = look_at_host([tmp_path / "long", tmp_path / "short"], [], now_ms)
    assert host.certificate_days == pytest.approx(12, abs=0.01)
