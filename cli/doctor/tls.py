"""The doctor's way to the broker: its name, its port, TLS, and how long certificates last."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

from cli.doctor.check import Check, Result
from energy.errors import ConfigError
from messaging.connection import MqttSettings, TlsSettings
from runtime.certificates import parse_certificate, read_certificate
from runtime.clock import Clock

__all__ = ["check_certificates", "check_way"]

_WAIT_S = 5.0
_WARN_DAYS = 30


def check_certificates(tls: TlsSettings, clock: Clock, *, name: str | None) -> Iterator[Check]:
    """Days left of our own certificate and of the authority, whose name it carries, who may read the key."""
    for file, what in ((tls.cert_file, "own certificate"), (tls.ca_file, "certificate authority")):
        if file is None:
            continue
        try:
            certificate = read_certificate(file)
        except ConfigError as error:
            yield Check.fail(what, error.message, error.hint or "")
            continue
        yield _days_left(what, certificate.not_after, clock, "`deploy/certificates.sh` makes a new one")
        if file == tls.cert_file and name is not None and certificate.common_name != name:
            yield Check.fail(
                what,
                f"is made out to {certificate.common_name!r}, this gateway is {name!r}: the centre refuses its data",
                f"make one for {name}, or correct `gateway:` in the configuration",
            )
    if tls.key_file is not None and tls.key_file.exists() and tls.key_file.stat().st_mode & 0o077:
        yield Check.warn("own key", f"{tls.key_file} can be read by others", f"`chmod 600 {tls.key_file}`")


def _days_left(what: str, not_after: datetime, clock: Clock, next_step: str) -> Check:
    days = (not_after - datetime.fromtimestamp(clock.now_ms() / 1000, UTC)).days
    if days < 0:
        return Check.fail(what, f"ended on {not_after:%Y-%m-%d}", next_step)
    seen = f"{days} days left, until {not_after:%Y-%m-%d}"
    return Check.warn(what, seen, next_step) if days < _WARN_DAYS else Check.ok(what, seen)


async def check_way(settings: MqttSettings, clock: Clock) -> AsyncIterator[Check]:
    """Name, port, TLS; ends after the first that fails."""
    name = await _check_name(settings.host)
    yield name
    if name.result is Result.FAIL:
        return
    what = f"broker {settings.host}:{settings.port}"
    try:
        context = settings.tls.context() if settings.tls else None
        async with asyncio.timeout(_WAIT_S):
            _, writer = await asyncio.open_connection(settings.host, settings.port, ssl=context)
    except ConfigError as error:
        yield Check.fail(what, error.message, error.hint or "")
    except (TimeoutError, OSError) as error:  # ssl.SSLError is an OSError
        yield Check.fail(what, *_explain(error, settings))
    else:
        yield Check.ok(what, "accepts connections" + (", its certificate is good" if context else ", without TLS"))
        secure = writer.get_extra_info("ssl_object")
        if secure is not None:
            not_after = parse_certificate(secure.getpeercert(binary_form=True)).not_after
            yield _days_left("broker's certificate", not_after, clock, "renew it on the broker's machine")
        writer.close()


async def _check_name(host: str) -> Check:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return Check.ok("broker's name", f"{host} is an address, there is no name to look up")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_WAIT_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return Check.fail(
            "broker's name",
            f"{host} cannot be resolved",
            "check mqtt.host for a typing error, then the network: `ip route`, `cat /etc/resolv.conf`",
        )
    addresses = dict.fromkeys(str(address[4][0]) for address in found)
    return Check.ok("broker's name", f"{host} is {', '.join(addresses)}")


def _explain(error: BaseException, settings: MqttSettings) -> tuple[str, str]:
    """What went wrong in plain words, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error, settings.host)
    if isinstance(error, ssl.SSLError) or (settings.tls and isinstance(error, ConnectionResetError)):
        return "speaks no TLS we know", "is this the TLS port (8883)? A port without TLS takes no mqtt.tls"
    if isinstance(error, ConnectionRefusedError):
        return (
            "nobody listens there",
            "is the broker running, and mqtt.port right? 8883 is usual with TLS, 1883 without",
        )
    if isinstance(error, TimeoutError):
        return (
            f"no answer within {_WAIT_S:g} s",
            f"let TCP port {settings.port} out through the site's firewall; check the address",
        )
    return f"cannot be reached: {error}", "check cable or SIM card, then `ip route` and `ping`"


def _explain_certificate(error: ssl.SSLCertVerificationError, host: str) -> tuple[str, str]:
    message = error.verify_message
    if "expired" in message or "not yet valid" in message:
        return f"its certificate: {message}", "check this machine's clock first, then renew the broker's certificate"
    if "ostname" in message or "IP address" in message:
        return f"its certificate is not for {host}", "write the name in its certificate as mqtt.host"
    return f"its certificate: {message}", "mqtt.tls.ca_file must be the authority that signed the broker's certificate"
