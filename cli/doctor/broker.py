"""The doctor at the broker: login, rights on the own topics, and whether the other end answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from typing import Final

from cli.doctor.check import Check
from cli.doctor.mqtt import NOBODY_LISTENS, Session, open_session
from energy.community import Community
from energy.errors import CommonwattError, DataError
from messaging import topics
from messaging.codec import Ack, Data, decode_ack, decode_status, encode
from messaging.connection import MqttSettings

__all__ = ["check_centre_session", "check_gateway_session"]

_CONFIRMATION_S: Final = 5.0
_STATUSES_S: Final = 1.5
_REFUSED_FROM: Final = 0x80
_ACL: Final = "give these rights in the broker's ACL (deploy/mosquitto/acl shows them)"
_LOGIN: Final = "check mqtt.username and password_file or the certificate; a port that needs TLS wants mqtt.tls"


async def check_gateway_session(settings: MqttSettings, community: str, gateway: str) -> list[Check]:
    """Logs in as the gateway, sends an empty batch and waits for the centre's confirmation of it."""
    return await _session(settings, lambda session: _gateway_rights(session, community, gateway))


async def check_centre_session(settings: MqttSettings, communities: tuple[Community, ...]) -> list[Check]:
    """Logs in as the centre, tries its rights, and asks which gateways are there."""
    return await _session(settings, lambda session: _centre_rights(session, communities))


async def _session(settings: MqttSettings, look: Callable[[Session], Iterator[Check]]) -> list[Check]:
    return await asyncio.to_thread(lambda: list(_in_session(settings, look)))


def _in_session(settings: MqttSettings, look: Callable[[Session], Iterator[Check]]) -> Iterator[Check]:
    logged_in = False
    try:
        with open_session(settings) as session:
            logged_in = True
            yield Check.ok("broker login", _who(settings))
            yield from look(session)
    except CommonwattError as error:
        hint = error.hint or ("the broker's log says why" if logged_in else _LOGIN)
        yield Check.fail("broker rights" if logged_in else "broker login", error.message, hint)


def _who(settings: MqttSettings) -> str:
    if settings.username is not None:
        return f"as {settings.username}"
    by_certificate = settings.tls is not None and settings.tls.cert_file is not None
    return "with the certificate" if by_certificate else "without a name: this broker lets anybody in"


def _gateway_rights(session: Session, community: str, gateway: str) -> Iterator[Check]:
    for topic in (topics.ack(community, gateway), topics.command(community, gateway)):
        if not session.subscribe(topic):
            yield Check.fail("broker rights", f"reading {topic} is refused", _ACL)
            return
    epoch = f"doctor-{secrets.token_hex(4)}"  # an outbox of its own that nobody else confirms or counts
    topic = topics.data(community, gateway)
    reason = session.publish(topic, encode(Data(epoch=epoch, seq=1, readings=[])))
    if reason >= _REFUSED_FROM:
        yield Check.fail("broker rights", f"writing {topic} is refused", _ACL)
        return
    yield Check.ok("broker rights", f"may read and write under {topic.removesuffix('/data')}")
    yield _confirmation(session, epoch, listening=reason != NOBODY_LISTENS)


def _confirmation(session: Session, epoch: str, *, listening: bool) -> Check:
    if not listening:
        return Check.warn(
            "centre",
            "no collector listens to this gateway: readings wait in the outbox",
            "start the collector, and compare `community:` here with the centre's configuration",
        )

    def confirms(_topic: str, payload: bytes) -> bool:
        try:
            return decode_ack(payload).epoch == epoch
        except DataError:
            return False

    if any(confirms(*message) for message in session.messages(_CONFIRMATION_S, confirms)):
        return Check.ok("centre", "the collector confirms what we send")
    return Check.warn(
        "centre",
        f"took an empty batch and did not confirm it within {_CONFIRMATION_S:g} s",
        "is the collector running and its store up? Does the ACL let this gateway read its …/ack?",
    )


def _centre_rights(session: Session, communities: tuple[Community, ...]) -> Iterator[Check]:
    for community in communities:
        for topic in (topics.status(community.id, "+"), topics.result(community.id, "+")):
            if not session.subscribe(topic):
                yield Check.fail("broker rights", f"reading {topic} is refused", _ACL)
                return
        topic = topics.ack(community.id, "doctor")  # nobody is called so; what it confirms is nobody's
        if session.publish(topic, encode(Ack(epoch="doctor", seqs=[]))) >= _REFUSED_FROM:
            yield Check.fail("broker rights", f"writing {topic} is refused", _ACL)
            return
    yield Check.ok("broker rights", "may read what gateways say and confirm it")
    yield _gateways(session, communities)


def _gateways(session: Session, communities: tuple[Community, ...]) -> Check:
    expected = {site.gateway for community in communities for site in community.sites}
    online: dict[str, bool] = {}
    for topic, payload in session.messages(_STATUSES_S):
        try:
            online[topics.parse_gateway_topic(topic).gateway] = decode_status(payload).online
        except DataError:
            continue  # another's message, or one the collector quarantines
        if expected <= set(online):
            break
    away = sorted(gateway for gateway in expected if not online.get(gateway))
    if not away:
        return Check.ok("gateways", f"all {len(expected)} are online")
    told = ", ".join(f"{gateway} ({'offline' if gateway in online else 'never seen'})" for gateway in away[:5])
    more = f" and {len(away) - 5} more" if len(away) > 5 else ""
    return Check.warn(
        "gateways",
        f"{len(expected) - len(away)} of {len(expected)} online; away: {told}{more}",
        "run `commonwatt doctor --config FILE` on those gateways",
    )
