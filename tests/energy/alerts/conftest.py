"""A community whose devices say what a test wants them to, minute after minute, with a rule that watches."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from energy.alerts.effects import own_changes
from energy.alerts.facts import Facts, GatewayNow, HostNow, Seen
from energy.alerts.library import expand
from energy.alerts.measures import measure
from energy.alerts.states import AlertEvent, Watch, step
from energy.alerts.subjects import subjects, want_windows
from energy.alerts.windows import Windows
from energy.balance import community_balance, observe, site_balance
from energy.community import Community

ZONE = ZoneInfo("Europe/Brussels")
NOON = "2026-06-17T12:00"
NIGHT = "2026-06-18T01:00"


def site(name, *, devices=("grid", "pv"), **facts):
    """A site of devices named by their roles; PV has 10 kW."""
    rated = {"pv": {"rated_w": 10_000}, "battery": {"rated_w": 5_000}}
    return {
        "id": name,
        "name": name.title(),
        "gateway": f"gw-{name}",
        "latitude": 50.83,
        "longitude": 4.37,
        "devices": [{"id": role, "role": role, "interval_s": 10, **rated.get(role, {})} for role in devices],
        **facts,
    }


class Scene:
    """`say` sets what devices say at every tick from now on, `run` lets time pass and collects what happened."""

    def __init__(self, rule, sites, *, at=NOON, timezone="Europe/Brussels"):
        self.community = Community.model_validate(
            {"id": "ixelles", "name": "Ixelles", "timezone": timezone, "sites": sites, "rules": [expand(rule)]}
        )
        (self.rule,) = self.community.rules
        self.windows = Windows()
        want_windows(self.rule, self.community, self.windows)
        self.now = round(datetime.fromisoformat(at).replace(tzinfo=ZONE).timestamp() * 1000)
        self.started = self.now
        self.connected = True
        self.latest = {}
        self.live = True
        self.gateways = {each.gateway: GatewayNow(online=True, since=self.now) for each in self.community.sites}
        self.setpoints = {}
        self.leased = frozenset()
        self.host = HostNow()
        self.nights = {}
        self.reopened = None
        self.held = ()
        self.said = {}
        self.watches = {subject.id: Watch() for subject in subjects(self.rule, self.community)}
        self.events = {subject_id: [] for subject_id in self.watches}

    def say(self, device, **values):
        """None as a value takes it away; no values at all silences the device."""
        if not values:
            self.said.pop(device, None)
            return
        said = {**self.said.get(device, {}), **values}
        self.said[device] = {name: value for name, value in said.items() if value is not None}

    def facts(self):
        known = {name: Seen(t, values, self.live) for name, (t, values) in self.latest.items()}
        sites = [
            site_balance(each, "ixelles", observe(each, known, self.now), self.now) for each in self.community.sites
        ]
        return Facts(
            now=self.now,
            started=self.started,
            connected=self.connected,
            community=self.community,
            balance=community_balance(self.community, sites, self.now),
            sites={balance.id: balance for balance in sites},
            devices=known,
            gateways=self.gateways,
            setpoints=self.setpoints,
            leased=self.leased,
            windows=self.windows,
            host=self.host,
            nights=self.nights,
            reopened=self.reopened,
        )

    def value(self, subject_id=None):
        found = {each.id: each for each in subjects(self.rule, self.community)}
        facts = self.facts()
        return measure(self.rule, found[subject_id or next(iter(found))], facts, own_changes(self.held, facts))

    def run(self, seconds, *, every_s=10):
        """What happened to each subject meanwhile."""
        before = {name: len(events) for name, events in self.events.items()}
        for _ in range(round(seconds / every_s)):
            self.now += every_s * 1000
            self._tick()
        return {name: events[before[name] :] for name, events in self.events.items() if events[before[name] :]}

    def _tick(self):
        for device, said in self.said.items():
            values = {name: value(self.now) if callable(value) else value for name, value in said.items()}
            self.latest[device] = (self.now, values)
            self.windows.add(device, self.now, values)
        facts = self.facts()
        facts.remember()
        own = own_changes(self.held, facts)
        for subject in subjects(self.rule, self.community):
            value = measure(self.rule, subject, facts, own)
            watch, events = step(self.rule.limits, self.watches[subject.id], value, self.now / 1000)
            self.watches[subject.id] = watch
            self.events[subject.id] += events

    def raises(self, subject_id, seconds):
        """Whether the alert on this subject, and on no other, is raised within that time."""
        happened = self.run(seconds)
        return {name for name, events in happened.items() if AlertEvent.RAISED in events} == {subject_id}

    def clears(self, subject_id, seconds):
        return AlertEvent.CLEARED in self.run(seconds).get(subject_id, [])


@pytest.fixture
def scene():
    return Scene
