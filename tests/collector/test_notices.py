"""What channels are told and when: grouped, quiet at night, escalated, in their language, once, and after a restart."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.notices import due
from energy.community import Community
from energy.languages import LANGUAGES
from messaging.notices import Channel, Escalation, NotificationSettings, Quiet, trial
from storage.register import Alert, Evidence, Told

NOON = round(datetime(2026, 6, 17, 10, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000
COMMUNITY = Community.model_validate({
    "id": "ixelles",
    "name": "Ixelles",
    "sites": [{"id": "hall", "name": "Town hall", "gateway": "gw", "devices": [{"id": "grid", "role": "grid"}]}],
    "rules": [
        "voltage-limit", "voltage-high", "night-load", "disk-ending",
        {"use": "device-silent", "id": "quiet-one", "notify": ["manager"]},
    ],
})  # fmt: skip


def channel(name="facility", **changes):
    return Channel(id=name, urls_file=Path("unused"), **changes)


def alert(rule="voltage-limit", *, t=NOON, severity="critical", subject="hall/grid", state="firing", **changes):
    return Alert(
        id=f"{rule}-{t}", rule=rule, community="ixelles", severity=severity, state=state, metric=rule, unit="V",
        subject=subject, value=253.6, raise_above=253, clear_below=251, since=t, raised_at=t, **changes,
    )  # fmt: skip


def parcels(alerts, now, *channels, **settings):
    chosen = NotificationSettings(channels=channels or (channel(),), **settings)
    return due(alerts, {"ixelles": COMMUNITY}, chosen, now)


def told(raised, parcel, now):
    """The alerts after the parcel was taken."""
    items = {item.alert.id: item.what for item in parcel.items}
    return [
        replace(each, told=(*each.told, Told(parcel.channel, items[each.id], now))) if each.id in items else each
        for each in raised
    ]


def test_a_critical_alert_is_told_at_once_with_what_it_means_and_what_to_do():
    (parcel,) = parcels([alert()], NOON, page_url="https://cw.example.org")
    assert parcel.title == "Voltage above the limit - Town hall, grid"
    assert parcel.body.splitlines()[0] == "since 17/06 12:00: 253.6 V, raised above 253.0 V"
    assert "Tell the grid operator today" in parcel.body
    assert parcel.body.endswith("https://cw.example.org")
    assert parcel.severity == "critical"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language):
    for one in (alert(), alert(state="cleared", cleared_at=NOON, told=(Told("facility", "raised", NOON),))):
        (parcel,) = parcels([one], NOON + MINUTE, channel(language=language))
        assert "{" not in parcel.title + parcel.body
    title = parcels([alert()], NOON, channel(language=language))[0].title
    assert title.startswith(
        {"en": "Voltage above", "fr": "Tension au-dessus", "nl": "Spanning boven", "de": "Spannung über"}[language]
    )
    assert "facility" in trial(channel(language=language))[1]


def test_alerts_within_a_minute_become_one_message_the_worst_first():
    raised = [
        alert("voltage-high", severity="warning"), alert("disk-ending", t=NOON + 30_000, severity="warning", subject="ixelles"),
    ]  # fmt: skip
    assert parcels(raised, NOON + 59_000) == []
    (parcel,) = parcels(raised, NOON + MINUTE)
    assert (parcel.title, len(parcel.items)) == ("2 alerts - Ixelles", 2)
    (urgent,) = parcels([*raised, alert(t=NOON + 40_000)], NOON + 40_000)
    assert urgent.items[0].alert.rule == "voltage-limit"
    assert len(urgent.items) == 3


def test_a_flood_is_one_message_of_twenty_and_a_count():
    raised = [alert(t=NOON + number) for number in range(500)]
    (parcel,) = parcels(raised, NOON + MINUTE)
    assert (parcel.title, len(parcel.items)) == ("500 alerts - Ixelles", 500)
    assert parcel.body.count("Voltage above the limit") == 20
    assert parcel.body.endswith("and 480 more")


def test_a_brief_channel_is_told_what_where_and_since_when():
    (parcel,) = parcels([alert()], NOON, channel(brief=True))
    assert parcel.body == "since 17/06 12:00: 253.6 V, raised above 253.0 V"


def test_what_was_told_is_not_told_again_and_clearing_is_told_once():
    raised = [alert()]
    (parcel,) = parcels(raised, NOON)
    raised = told(raised, parcel, NOON)
    assert parcels(raised, NOON + 60 * MINUTE) == []
    cleared = [replace(raised[0], state="cleared", cleared_at=NOON + 61 * MINUTE)]
    assert parcels(cleared, NOON + 61 * MINUTE) == []  # good news wait for company
    (parcel,) = parcels(cleared, NOON + 62 * MINUTE)
    assert "cleared at 17/06 13:01" in parcel.body
    assert parcels(told(cleared, parcel, NOON), NOON + 70 * MINUTE) == []
    assert parcels(cleared, NOON + 62 * MINUTE, channel(cleared=False)) == []


def test_an_alert_that_cleared_before_anybody_was_told_is_not_told():
    assert parcels([alert(state="cleared", cleared_at=NOON)], NOON + 10 * MINUTE) == []


@pytest.mark.parametrize("state", ["acknowledged", "muted"])
def test_what_somebody_saw_or_muted_is_not_told(state):
    assert parcels([alert(state=state, muted_until=NOON + 10**9)], NOON + MINUTE) == []


def test_a_mute_that_stands_keeps_the_clearing_quiet_too():
    over = alert(state="cleared", cleared_at=NOON, muted_until=NOON + 10**6, told=(Told("facility", "raised", NOON),))
    assert parcels([over], NOON + 10 * MINUTE) == []


def test_what_stands_again_after_its_end_is_told_again():
    again = alert(told=(Told("facility", "raised", NOON),), evidence=(Evidence(NOON + MINUTE, "reopened", ""),))
    (parcel,) = parcels([again], NOON + 2 * MINUTE)
    assert parcel.body.startswith("still stands")
    assert parcels(told([again], parcel, NOON + 2 * MINUTE), NOON + 3 * MINUTE) == []


def test_severity_rules_and_communities_choose_the_channel():
    warning = alert("night-load", severity="info", subject="hall")
    assert parcels([warning], NOON + MINUTE) == []
    assert len(parcels([warning], NOON + MINUTE, channel(min_severity="info"))) == 1
    named = alert("quiet-one", severity="warning")
    reached = parcels([named], NOON + MINUTE, channel(), channel("manager", by_default=False))
    assert [parcel.channel for parcel in reached] == ["manager"]
    assert parcels([alert()], NOON, channel(communities=("schaerbeek",))) == []
    assert parcels([alert("no-longer-configured")], NOON) == []


NIGHT = round(datetime(2026, 6, 17, 21, tzinfo=UTC).timestamp() * 1000)  # 23:00 in Brussels


def test_in_quiet_hours_only_the_worst_is_told_and_the_rest_in_the_morning():
    sleeper = channel(quiet=Quiet())
    standing = alert("voltage-high", t=NIGHT, severity="warning")
    assert parcels([standing], NIGHT + 10 * MINUTE, sleeper) == []
    assert len(parcels([alert(t=NIGHT)], NIGHT, sleeper)) == 1
    assert parcels([standing], NIGHT + 7 * 60 * MINUTE + 59 * MINUTE, sleeper) == []
    (morning,) = parcels([standing], NIGHT + 8 * 60 * MINUTE, sleeper)
    assert morning.items[0].what == "raised"
    over = replace(standing, state="cleared", cleared_at=NIGHT + 60 * MINUTE)
    assert parcels([over], NIGHT + 8 * 60 * MINUTE, sleeper) == []


def test_nobody_reacting_goes_to_the_next_once_even_at_night():
    both = (channel(), channel("manager", by_default=False, quiet=Quiet()))
    settings = {"escalation": (Escalation(after_s=1800, channel="manager"),)}
    standing = [alert(t=NIGHT, told=(Told("facility", "raised", NIGHT),))]
    assert parcels(standing, NIGHT + 29 * MINUTE, *both, **settings) == []
    (parcel,) = parcels(standing, NIGHT + 30 * MINUTE, *both, **settings)
    assert (parcel.channel, parcel.items[0].what) == ("manager", "escalated")
    assert "nobody has reacted" in parcel.body
    assert parcels(told(standing, parcel, NIGHT), NIGHT + 600 * MINUTE, *both, **settings) == []
    seen = [replace(standing[0], state="acknowledged")]
    assert parcels(seen, NIGHT + 60 * MINUTE, *both, **settings) == []
    mild = [alert("voltage-high", t=NIGHT, severity="warning", told=(Told("facility", "raised", NIGHT),))]
    assert parcels(mild, NIGHT + 60 * MINUTE, *both, **settings) == []


moments = st.lists(
    st.tuples(st.sampled_from(["firing", "acknowledged", "muted", "cleared"]), st.integers(1, 200)), max_size=15
)


@given(moments, st.sampled_from(["info", "warning", "critical"]), st.booleans())
def test_whatever_becomes_of_an_alert_no_channel_is_told_the_same_twice(life, severity, sleeps):
    channels = (channel(min_severity="info", quiet=Quiet() if sleeps else None), channel("manager", by_default=False))
    settings = {"escalation": (Escalation(after_s=1800, channel="manager", min_severity="info"),)}
    now, current, sent = NOON, [alert(severity=severity)], []
    for state, minutes in life:
        now += minutes * MINUTE
        cleared_at = now if state == "cleared" else None
        current = [replace(current[0], state=state, cleared_at=cleared_at)]
        for parcel in parcels(current, now, *channels, **settings):
            sent += [(parcel.channel, item.what) for item in parcel.items]
            current = told(current, parcel, now)
        if state == "cleared":
            break
    assert len(sent) == len(set(sent))
