"""Messages to people by mail, Teams, Matrix, SMS and webhooks: what can be set about them, and their sending by apprise.

Addresses hold passwords and tokens, so they stand in files, one apprise URL a line. Only the kinds named here are
taken, a webhook only to a host on the list, and no redirect is followed.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energy.alerts.rules import Rule, Severity
from energy.errors import ConfigError
from energy.hours import within
from energy.languages import Language
from energy.names import Slug

__all__ = [
    "Channel",
    "Escalation",
    "Mailbox",
    "NotificationSettings",
    "Quiet",
    "Sent",
    "open_mailboxes",
    "rank",
    "tells",
    "trial",
]

log = logging.getLogger(__name__)

_WEBHOOKS: Final = frozenset({"json", "jsons", "form", "forms", "xml", "xmls"})
_MAIL: Final = frozenset({"mailto", "mailtos"})
_CHAT: Final = frozenset({"workflow", "workflows", "matrix", "matrixs", "signal", "signals", "ntfy", "ntfys"})
_SMS: Final = frozenset(
    {
        "46elks",
        "bulksms",
        "clickatell",
        "clicksend",
        "httpsms",
        "infobip",
        "msgbird",
        "nexmo",
        "octopush",
        "plivo",
        "sinch",
        "smseagle",
        "smseagles",
        "sns",
        "twilio",
        "voipms",
        "vonage",
    }
)
_KINDS: Final = _MAIL | _CHAT | _SMS | _WEBHOOKS
_RANKS: Final[dict[str, int]] = {"info": 0, "warning": 1, "critical": 2}
_TRIALS: Final[dict[Language, tuple[str, str]]] = {
    "en": ("Test message", "This channel works: {channel}."),
    "fr": ("Message d'essai", "Ce canal fonctionne : {channel}."),
    "nl": ("Testbericht", "Dit kanaal werkt: {channel}."),
    "de": ("Testnachricht", "Dieser Kanal funktioniert: {channel}."),
}
_TYPES: Final = {"info": "info", "warning": "warning", "critical": "failure"}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quiet(_Model):
    """Hours in which a channel is told only what is as bad as `unless`; the rest waits for their end."""

    begin: dt.time = dt.time(22)
    end: dt.time = dt.time(7)
    timezone: str = "Europe/Brussels"
    unless: Severity = "critical"

    @model_validator(mode="after")
    def _known_zone(self) -> Self:
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"timezone {self.timezone!r} is not known; write it as Europe/Brussels") from error
        return self

    def holds(self, severity: Severity, now_ms: int) -> bool:
        """Whether something of that severity has to wait at `now_ms`."""
        return within(now_ms, self.timezone, self.begin, self.end) and rank(severity) < rank(self.unless)


class Channel(_Model):
    """Where messages go. Without `by_default` only rules that name it, and escalations, reach it."""

    id: Slug
    urls_file: Path = Field(description="apprise URLs, one a line; readable by the service's user only")
    language: Language = "en"
    min_severity: Severity = "warning"
    communities: tuple[Slug, ...] = Field(default=(), description="only these; default: all")
    by_default: bool = True
    brief: bool = Field(default=False, description="only what, where and since when: for SMS")
    cleared: bool = Field(default=True, description="also told when an alert has cleared")
    quiet: Quiet | None = None


class Escalation(_Model):
    """Who is told next of an alert that nobody has acknowledged or muted."""

    after_s: Annotated[float, Field(gt=0, le=604_800)]
    channel: Slug
    min_severity: Severity = "critical"


class NotificationSettings(_Model):
    """The `notifications` part of a centre's configuration."""

    channels: tuple[Channel, ...] = ()
    escalation: tuple[Escalation, ...] = ()
    group_s: float = Field(default=60.0, ge=0, le=3600, description="alerts within this become one message")
    webhook_hosts: tuple[str, ...] = Field(default=(), description="hosts (or host:port) that webhooks may go to")
    page_url: str = Field(default="", description="address of the live page, put under messages")
    timeout_s: float = Field(default=15.0, gt=0, le=120, description="longest wait for an answer")

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [channel.id for channel in self.channels]
        if len(names) != len(set(names)):
            raise ValueError("two channels have the same id: rename one")
        for step in self.escalation:
            if step.channel not in names:
                raise ValueError(
                    f"escalation names the channel {step.channel!r}; there are {', '.join(names) or 'none'}"
                )
        return self

    def channel(self, name: str) -> Channel | None:
        """The channel of that id, or None."""
        return next((channel for channel in self.channels if channel.id == name), None)


@dataclass(frozen=True, slots=True)
class Sent:
    """How sending went: `problem` empty when every address took the message."""

    channel: str
    problem: str = ""


def rank(severity: str) -> int:
    """How bad: 0 info, 1 warning, 2 critical."""
    return _RANKS[severity]


def tells(channel: Channel, rule: Rule, community: str) -> bool:
    """Whether alerts of that rule go to the channel, apart from escalation."""
    if channel.communities and community not in channel.communities:
        return False
    if rule.notify is not None:
        return channel.id in rule.notify
    return channel.by_default and rank(rule.severity) >= rank(channel.min_severity)


def trial(channel: Channel) -> tuple[str, str]:
    """(title, text) of a test message in the channel's language."""
    title, text = _TRIALS[channel.language]
    return f"commonwatt: {title}", text.format(channel=channel.id)


class Mailbox:
    """The addresses of one channel. Raises ConfigError for one that is not allowed, with file and line."""

    def __init__(self, channel: Channel, settings: NotificationSettings) -> None:
        self.channel = channel
        self._targets = [
            _target(line, number, channel, settings) for number, line in _lines(channel) if line and line[0] != "#"
        ]
        if not self._targets:
            raise ConfigError(
                "holds no address",
                file=str(channel.urls_file),
                hint="write one apprise URL a line: mailtos://..., workflows://...",
            )

    def send(self, title: str, body: str, severity: Severity = "info") -> Sent:
        """Sends to every address; tells how many did not take it, never the address itself. Blocks."""
        refused = [kind for kind, target in self._targets if not _notify(target, title, body, severity)]
        if not refused:
            return Sent(self.channel.id)
        return Sent(
            self.channel.id, f"{len(refused)} of {len(self._targets)} addresses took no message ({', '.join(refused)})"
        )


def open_mailboxes(settings: NotificationSettings) -> dict[str, Mailbox]:
    """The mailbox of each channel. Raises ConfigError, also when apprise is not installed."""
    return {channel.id: Mailbox(channel, settings) for channel in settings.channels}


def _lines(channel: Channel) -> Sequence[tuple[int, str]]:
    try:
        text = channel.urls_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot be read: {error}",
            file=str(channel.urls_file),
            field=f"notifications.channels.{channel.id}",
            hint="write one apprise URL a line into it, and make it readable by the service's user only",
        ) from error
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]


def _target(url: str, number: int, channel: Channel, settings: NotificationSettings) -> tuple[str, Any]:
    """(kind, apprise's object); the error never shows the URL, which is a secret."""
    try:
        import apprise  # noqa: PLC0415 - an extra of its own, and slow to import
    except ModuleNotFoundError as error:
        raise ConfigError(
            "notifications need the package apprise, which is not installed",
            field="notifications",
            hint="pip install 'commonwatt[notify]'",
        ) from error
    kind = url.partition("://")[0].lower()

    def wrong(problem: str, hint: str) -> ConfigError:
        return ConfigError(problem, file=str(channel.urls_file), line=number, field=kind[:20], hint=hint)

    if kind not in _KINDS:
        raise wrong("is no kind of address that is taken", f"one of {', '.join(sorted(_KINDS))}")
    asset = apprise.AppriseAsset(http_redirects=False, app_id="commonwatt", app_desc="commonwatt", app_url="")
    target = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if target is None:
        raise wrong("is not complete", f"see apprise's page on {kind}:// for what belongs into the URL")
    target.redirects = False  # whatever the URL says
    target.socket_connect_timeout = target.socket_read_timeout = settings.timeout_s
    if kind in _WEBHOOKS and not _allowed(target, settings.webhook_hosts):
        raise wrong(
            f"is a webhook to {target.host}, which is not on the list",
            "add the host to notifications.webhook_hosts, or take the line away",
        )
    return kind, target


def _allowed(target: Any, hosts: Sequence[str]) -> bool:
    host = str(target.host).lower()
    return host in hosts or (target.port is not None and f"{host}:{target.port}" in hosts)


def _notify(target: Any, title: str, body: str, severity: Severity) -> bool:
    try:
        return bool(target.notify(title=title, body=body, notify_type=_TYPES[severity], body_format="text"))
    except Exception as error:  # a plugin of apprise may raise anything; the other addresses are tried all the same
        log.warning("a %s address failed: %s", type(target).__name__, type(error).__name__)
        return False
