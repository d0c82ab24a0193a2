"""Which channel has to be told what now, and in which words. Pure: what was told stands in the alerts themselves.

A channel is told when an alert is raised, raised again after an acknowledgement or mute ended, escalated because nobody
reacted, and cleared. What becomes due together is one message; in quiet hours it waits. A message that was not taken is
due again, so it is repeated until it is, or until the alert is over and was never told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from collector import sentences
from energy.alerts.library import texts_of
from energy.alerts.rules import Rule, Severity
from energy.alerts.subjects import subjects
from energy.community import Community
from energy.languages import Language
from messaging.notices import Channel, NotificationSettings, rank, tells
from storage.register import Alert

__all__ = ["Item", "Parcel", "due"]

What = Literal["raised", "reopened", "escalated", "cleared"]
_DAY_MS: Final = 86_400_000
_MOST_TOLD: Final = 20  # in one message; the page shows them all
_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "raised": "since {since}: {value}, raised {side} {limit}",
        "reopened": "still stands, since {since}: {value}",
        "escalated": "nobody has reacted since {since}: {value}",
        "cleared": "cleared at {cleared}, stood since {since}",
        "above": "above",
        "below": "below",
        "unknown": "unknown",
        "more": "and {count} more",
        "several": "{count} alerts",
    },
    "fr": {
        "raised": "depuis {since} : {value}, levée {side} {limit}",
        "reopened": "dure toujours, depuis {since} : {value}",
        "escalated": "personne n'a réagi depuis {since} : {value}",
        "cleared": "close à {cleared}, durait depuis {since}",
        "above": "au-dessus de",
        "below": "en dessous de",
        "unknown": "inconnu",
        "more": "et {count} autres",
        "several": "{count} alertes",
    },
    "nl": {
        "raised": "sinds {since}: {value}, gemeld {side} {limit}",
        "reopened": "duurt nog, sinds {since}: {value}",
        "escalated": "niemand reageerde sinds {since}: {value}",
        "cleared": "voorbij om {cleared}, duurde sinds {since}",
        "above": "boven",
        "below": "onder",
        "unknown": "onbekend",
        "more": "en nog {count}",
        "several": "{count} alarmen",
    },
    "de": {
        "raised": "seit {since}: {value}, ausgelöst {side} {limit}",
        "reopened": "besteht weiter, seit {since}: {value}",
        "escalated": "niemand hat reagiert seit {since}: {value}",
        "cleared": "beendet um {cleared}, bestand seit {since}",
        "above": "über",
        "below": "unter",
        "unknown": "unbekannt",
        "more": "und {count} weitere",
        "several": "{count} Alarme",
    },
}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a channel has to be told about an alert, due since `t` (ms UTC)."""

    alert: Alert
    what: What
    t: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to one channel."""

    channel: str
    title: str
    body: str
    severity: Severity
    items: tuple[Item, ...] = ()


def due(
    alerts: Iterable[Alert], communities: Mapping[str, Community], settings: NotificationSettings, now_ms: int
) -> list[Parcel]:
    """The messages to send now, one for each channel at most."""
    known = [alert for alert in alerts if alert.community in communities]
    parcels = []
    for channel in settings.channels:
        items = [
            item
            for alert in known
            for item in _items(alert, _rule(communities[alert.community], alert), channel, settings, now_ms)
            if channel.quiet is None or not channel.quiet.holds(alert.severity, now_ms)
        ]
        if items and _ripe(items, settings, now_ms):
            parcels.append(_parcel(channel, items, communities, settings))
    return parcels


def _rule(community: Community, alert: Alert) -> Rule | None:
    return next((rule for rule in community.rules if rule.id == alert.rule), None)


def _items(
    alert: Alert, rule: Rule | None, channel: Channel, settings: NotificationSettings, now_ms: int
) -> Iterator[Item]:
    if rule is None or (channel.communities and alert.community not in channel.communities):
        return
    told = {each.what: each.t for each in alert.told if each.channel == channel.id}
    if alert.state == "firing":
        since = alert.raised_at or alert.since
        for step in settings.escalation:
            late = now_ms - since >= step.after_s * 1000
            wanted = step.channel == channel.id and rank(alert.severity) >= rank(step.min_severity)
            if wanted and late and "escalated" not in told:
                yield Item(alert, "escalated", since + round(step.after_s * 1000))
                return
        if tells(channel, rule, alert.community):
            last = max(told.values(), default=0)
            again = max((entry.t for entry in alert.evidence if entry.event == "reopened"), default=0)
            if not told:
                yield Item(alert, "raised", since)
            elif again > last:
                yield Item(alert, "reopened", again)
    elif alert.state == "cleared" and channel.cleared and told and "cleared" not in told:
        cleared = alert.cleared_at or now_ms
        muted = alert.muted_until is not None and alert.muted_until > cleared
        if not muted and now_ms - cleared < _DAY_MS:
            yield Item(alert, "cleared", cleared)


def _ripe(items: Sequence[Item], settings: NotificationSettings, now_ms: int) -> bool:
    """What is critical does not wait for company."""
    urgent = any(item.alert.severity == "critical" and item.what != "cleared" for item in items)
    return urgent or now_ms - min(item.t for item in items) >= settings.group_s * 1000


def _parcel(
    channel: Channel, items: Sequence[Item], communities: Mapping[str, Community], settings: NotificationSettings
) -> Parcel:
    ordered = sorted(items, key=lambda item: (item.what == "cleared", -rank(item.alert.severity), item.t))
    words = _WORDS[channel.language]
    told = [_told(item, channel, communities[item.alert.community]) for item in ordered[:_MOST_TOLD]]
    worst: Severity = max((item.alert.severity for item in items if item.what != "cleared"), key=rank, default="info")
    names = ", ".join(sorted({communities[item.alert.community].name for item in items}))
    title = told[0][0] if len(items) == 1 else f"{words['several'].format(count=len(items))} - {names}"
    body = "\n\n".join(text if len(items) == 1 else f"{head}\n{text}" for head, text in told)
    if len(items) > len(told):
        body += f"\n\n{words['more'].format(count=len(items) - len(told))}"
    if settings.page_url:
        body += f"\n\n{settings.page_url}"
    return Parcel(channel.id, title, body, worst, tuple(ordered))


def _told(item: Item, channel: Channel, community: Community) -> tuple[str, str]:
    """(headline, text) of one alert: what it is, where, since when, what it means, what to do."""
    alert, words = item.alert, _WORDS[channel.language]
    rule = _rule(community, alert)
    assert rule is not None
    texts = texts_of(rule, channel.language)
    limits = rule.limits
    facts = words[item.what].format(
        since=_local(alert.since, community),
        cleared=_local(alert.cleared_at or alert.since, community),
        value=words["unknown"] if alert.value is None else sentences.amount(rule, alert.value),
        side=words["above" if limits.rising else "below"],
        limit=sentences.amount(rule, limits.raise_at),
    )
    lines = [facts] if channel.brief or item.what == "cleared" else [facts, texts.means, texts.do]
    return f"{texts.title} - {_place(rule, alert, community)}", "\n".join(line for line in lines if line)


def _place(rule: Rule, alert: Alert, community: Community) -> str:
    found = next((subject for subject in subjects(rule, community) if subject.id == alert.subject), None)
    return alert.subject or community.name if found is None else sentences.subject_name(found, community)


def _local(t: int, community: Community) -> str:
    return f"{datetime.fromtimestamp(t / 1000, ZoneInfo(community.timezone)):%d/%m %H:%M}"
